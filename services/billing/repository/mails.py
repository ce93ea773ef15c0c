"""What customers have had of their invoices."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

__all__ = ["add_mails", "erase_mails", "save_download"]

_ADD = """
UPDATE invoices i SET mails = coalesce(i.mails, '[]'::jsonb) || sent.mails
FROM (SELECT invoice_id, jsonb_agg(mail) AS mails
      FROM unnest($1::uuid[], $2::jsonb[]) AS s (invoice_id, mail) GROUP BY invoice_id) AS sent
WHERE i.id = sent.invoice_id RETURNING i.id, i.state
"""
_ERASE = """
UPDATE invoices SET mails =
    (SELECT jsonb_agg(mail || '{"to": null}'::jsonb) FROM jsonb_array_elements(mails) AS m (mail))
WHERE customer_id = ANY($1) AND jsonb_array_length(mails) > 0
"""


async def add_mails(tx: Tx, sent: Sequence[tuple[UUID, Mapping[str, Any]]]) -> list[UUID]:
    """Add mails to their invoices; returns those that are void."""
    ids = [invoice_id for invoice_id, _ in sent]
    rows = await tx.fetch(_ADD, ids, [json.dumps(mail) for _, mail in sent])
    return [row.id for row in rows if row.state == "void"]


async def erase_mails(tx: Tx, customer_ids: Iterable[UUID]) -> None:
    """Forget to whom they went."""
    await tx.run(_ERASE, list(customer_ids))


async def save_download(tx: Tx, invoice_id: UUID, *, now: datetime) -> None:
    query = "UPDATE invoices SET downloaded_at = $2 WHERE id = $1 AND downloaded_at IS NULL"
    await tx.run(query, invoice_id, now)
