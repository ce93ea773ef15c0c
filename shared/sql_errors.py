"""Which failures of the database pass by themselves."""

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

__all__ = ["is_transient", "refers_to_nothing", "serialization_failed"]

# SQLSTATE classes that pass by themselves: connection, transaction rollback, resources,
# operator intervention; 55P03 is a lock that was not available in time.
_TRANSIENT_CLASSES = ("08", "40", "53", "57")


def _sqlstate(error: BaseException) -> str:
    """Of an error of the driver, as it is or as SQLAlchemy wraps it."""
    return (
        getattr(error, "sqlstate", None)
        or getattr(getattr(error, "orig", None), "sqlstate", "")
        or ""
    )


def is_transient(error: BaseException) -> bool:
    """Tell whether the same work may succeed when tried again without any change."""
    state = _sqlstate(error)
    if state[:2] in _TRANSIENT_CLASSES or state == "55P03":
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    if isinstance(error, asyncpg.InterfaceError):
        return "closed" in str(error)  # else it is about the statement or its values
    gone = (OSError, TimeoutError, PoolTimeoutError, asyncpg.InternalClientError)
    # A plan that a migration has made invalid is made anew.
    return isinstance(error, (*gone, asyncpg.InvalidCachedStatementError))


def refers_to_nothing(error: BaseException) -> bool:
    """Tell whether a row was to refer to one that is not there any more (23503)."""
    return _sqlstate(error) == "23503"


def serialization_failed(error: BaseException) -> bool:
    """Tell whether PostgreSQL rolled the transaction back for a deadlock or a race (class 40)."""
    return _sqlstate(error).startswith("40")
