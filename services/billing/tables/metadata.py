"""What all tables of billing belong to."""

from shared.database import new_metadata

__all__ = ["NO_PENDING_LIST", "metadata"]

metadata = new_metadata()

NO_PENDING_LIST = {"fastupdate": "off"}
"""For indexes of keys: every search would have to read what is pending."""
