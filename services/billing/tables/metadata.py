"""What all tables of billing belong to."""

from shared.database import new_metadata

__all__ = ["metadata"]

metadata = new_metadata()
