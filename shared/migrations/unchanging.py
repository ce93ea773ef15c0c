"""Rows that must never change again once something holds of them, but for named columns.

The columns are read from the database when the trigger is made. A revision that adds one makes it
anew, and so says whether the new column may change.
"""

from collections.abc import Collection

import sqlalchemy as sa
from alembic import op

__all__ = ["drop_unchanging", "keep_unchanged"]

_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'this row of % must not change any more', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$
"""


def keep_unchanged(table: str, *, once: str, but: Collection[str]) -> None:
    """Refuse to delete rows, and to change columns other than `but`, `once` that is true of OLD.

    `once` is a condition such as `OLD.state <> 'draft'`. What sets none of these columns pays
    nothing for it.
    """
    found = sa.inspect(op.get_bind()).get_columns(table)
    names = [column["name"] for column in found if column["name"] not in but]
    old, new = (", ".join(f"{row}.{name}" for name in names) for row in ("OLD", "NEW"))
    op.execute(_FUNCTION)
    op.execute(
        f"CREATE OR REPLACE TRIGGER unchanging BEFORE UPDATE OF {', '.join(names)} "
        f"ON {table} FOR EACH ROW "
        f"WHEN ({once} AND ({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        f"CREATE OR REPLACE TRIGGER undeletable BEFORE DELETE ON {table} FOR EACH ROW "
        f"WHEN ({once}) EXECUTE FUNCTION refuse_change()"
    )


def drop_unchanging(table: str) -> None:
    op.execute(f"DROP TRIGGER unchanging ON {table}")
    op.execute(f"DROP TRIGGER undeletable ON {table}")
