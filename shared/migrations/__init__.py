"""Schema changes: one history per service, one environment for all of them."""

from importlib import import_module
from pathlib import Path

from alembic import command
from alembic.config import Config

__all__ = ["configure", "upgrade"]

_ROOT = Path(__file__).parent.parent.parent


def configure(service: str, database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    versions = _ROOT / "services" / service / "migrations"
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes["database_url"] = database_url
    config.attributes["metadata"] = import_module(f"services.{service}.tables").metadata
    return config


def upgrade(service: str, database_url: str) -> None:
    command.upgrade(configure(service, database_url), "head")
