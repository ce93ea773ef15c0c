"""What a dry run says is what happens, wherever a customer's life has led to."""

import random
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.steps import new_customer, no_failure, paid, stored
from tests.system import System, eventually

SAME = ("amount", "credit", "forfeited", "lines", "events", "mails", "modules_that_stay")
OF_STATE = ("state", "term", "origin", "cycle", "period", "product_id", "version")


@pytest.fixture(autouse=True, scope="module")
async def seeded(system: System) -> None:
    await system.seeded()


async def everything_heard(system: System) -> None:
    async def look() -> bool | None:
        for service in ("subscriptions", "billing"):
            if await stored(system, service, "SELECT 1 FROM outbox LIMIT 1"):
                return None
        return True

    await eventually(look, "the outboxes to be empty")


async def begun(system: System, request_id: str) -> None:
    async def look() -> bool | None:
        query = "SELECT 1 FROM offers WHERE request_id = $1 AND state = 'open'"
        return None if await stored(system, "subscriptions", query, request_id) else True

    await eventually(look, "what was paid to begin")


async def offered(system: System, customer: Any) -> list[tuple[str, dict[str, Any], Any]]:
    """Every action of every card: its kind, what to ask for, and what the card says of it."""
    found = []
    for kind in ("plan", "module"):
        cards = await system.get(f"/customers/{customer['id']}/{kind}-options")
        for card in cards["items"]:
            for action in card["actions"]:
                one = {f"{kind}_id": card["product_id"], "action": action["action"]}
                if action["cycle"]:
                    one["cycle"] = action["cycle"]
                if action["action"] == "edit_period":
                    one["end"] = "2031-05-17"
                    if (card["period"] or {}).get("end") == one["end"]:
                        continue
                found.append((kind, one, action))
    return found


async def taken(system: System, customer: Any, kind: str, one: Any, shown: Any) -> Any:
    """Look, do it, and compare: with the card, the preview, the history and the invoice."""
    body: dict[str, Any] = one if kind == "plan" else {"actions": [one]}
    path = f"/customers/{customer['id']}/{kind}-actions"
    entries = "SELECT coalesce(max(id), 0) FROM subscription_history"
    ((before,),) = await stored(system, "subscriptions", entries)
    preview = await system.post(f"{path}?dry_run=true", body)
    assert await stored(system, "subscriptions", entries) == [(before,)], "a dry run was no dry run"
    if shown["action"] != "change_at_period_end":
        assert preview["amount"] == shown["amount"]
    expected = {"expected_total": preview["amount"]} if preview["amount"] else {}
    done = await system.post(path, {**body, **expected})
    assert {name: done[name] for name in SAME} == {name: preview[name] for name in SAME}
    assert [{n: s[n] for n in OF_STATE} for s in done["subscriptions"]] == [
        {n: s[n] for n in OF_STATE} for s in preview["subscriptions"]
    ]
    told = [kind for kind in done["events"] if kind.startswith("subscription.")]
    query = "SELECT event FROM subscription_history WHERE id > $1 ORDER BY id"
    happened = [event for (event,) in await stored(system, "subscriptions", query, before)]
    assert happened[: len(told)] == told
    if done["request_id"] is None:
        assert "invoice.requested" not in told
        return None
    invoice = await system.invoice_of(done["request_id"])
    assert invoice["total"] == preview["amount"]
    assert [said(line) for line in invoice["lines"]] == [said(line) for line in preview["lines"]]
    return invoice


def said(line: Any) -> tuple[Any, ...]:
    texts = tuple(line[part] for part in ("title", "description", "explanation", "basis"))
    return (*texts, Decimal(line["vat_percent"]), line["total"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(5))
async def test_what_was_previewed_is_what_happens(system: System, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a walk that can be repeated
    made = await new_customer(system)
    for _ in range(9):
        await everything_heard(system)
        found = await offered(system, made)
        names = sorted({one["action"] for _, one, _ in found})
        action = chance.choice(names)
        kind, one, shown = chance.choice([f for f in found if f[1]["action"] == action])
        invoice = await taken(system, made, kind, one, shown)
        if invoice and invoice["state"] == "open" and chance.random() < 0.7:
            await paid(system, invoice)
            invoice = {**invoice, "state": "paid"}
        if invoice and invoice["state"] == "paid":  # by the balance, where there is one
            await begun(system, invoice["request_id"])
    await everything_heard(system)
    for service in ("subscriptions", "billing"):
        await no_failure(system, service, made["id"])
