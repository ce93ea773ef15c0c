"""What people read: states, actions, money and days, in their words."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

__all__ = [
    "DONE",
    "Change",
    "Pill",
    "action_label",
    "audit_label",
    "card_pill",
    "changes",
    "day",
    "delivery_pill",
    "instant",
    "invoice_pill",
    "last_day",
    "money",
    "name_of",
    "number",
    "price",
]


class Pill(NamedTuple):
    """A state as a word; `tone` colours it: ok, wait, bad, or empty."""

    word: str
    tone: str = ""


def money(amount: Mapping[str, str] | None) -> str:
    """`{"amount": "1234.50", "currency": "CHF"}` -> `CHF 1,234.50`."""
    if not amount:
        return ""
    return f"{amount['currency']} {Decimal(amount['amount']):,}"


def number(text: str, least: int = 0) -> str:
    """`49.0000` -> `49` or, with at least two decimals, `49.00`."""
    whole, _, decimals = text.partition(".")
    kept = decimals.rstrip("0").ljust(least, "0")
    return (whole or "0") + (f".{kept}" if kept else "")


def price(offered: Mapping[str, Any]) -> str:
    if offered["unit_price"] is None:
        return "On request"
    return f"{offered['currency']} {Decimal(offered['unit_price']):,.2f}"


def day(text: str | None) -> str:
    """`2026-11-01` -> `1 Nov 2026`."""
    if not text:
        return ""
    found = date.fromisoformat(text[:10])
    return f"{found.day} {found:%b %Y}"


def last_day(end: str) -> str:
    """The last day of a period that ends before `end`."""
    return day((date.fromisoformat(end) - timedelta(days=1)).isoformat())


def instant(text: str | None) -> str:
    """RFC 3339 -> `1 Nov 2026, 14:05 UTC`."""
    if not text:
        return ""
    found = datetime.fromisoformat(text).astimezone(UTC)
    return f"{found.day} {found:%b %Y, %H:%M} UTC"


def name_of(customer: Mapping[str, Any]) -> str:
    """A private person has no company name."""
    return str(customer["company_name"] or customer["contact_name"] or customer["number"])


_CARD = {
    "pending": Pill("Waiting for payment", "wait"),
    "trialing": Pill("Test", "ok"),
    "active": Pill("Active", "ok"),
    "past_due": Pill("Payment overdue", "bad"),
    "suspended": Pill("Suspended", "bad"),
    "canceling": Pill("Canceled", "wait"),
    "expired": Pill("Expired"),
}


def card_pill(card: Mapping[str, Any]) -> Pill | None:
    state, period = card["state"], card["period"]
    pill = _CARD.get(state, Pill(_words(state))) if state else None
    if pill and period and state == "trialing":
        return Pill(f"Test until {last_day(period['end'])}", pill.tone)
    if pill and period and state == "canceling":
        return Pill(f"Canceled, ends {last_day(period['end'])}", pill.tone)
    if pill is None and card["waiting"]:
        return _CARD["pending"]
    return pill


def invoice_pill(invoice: Mapping[str, Any], today: date) -> Pill:
    """Partly paid and overdue are no states of their own: they follow from amounts and dates."""
    state = invoice["state"]
    if state == "open":
        partly = Decimal(invoice["paid"]["amount"]) > 0
        if date.fromisoformat(invoice["due_date"]) < today:
            return Pill("Overdue, partly paid" if partly else "Overdue", "bad")
        return Pill("Partly paid" if partly else "Open", "wait")
    return {"paid": Pill("Paid", "ok"), "void": Pill("Void"), "credited": Pill("Credited")}.get(
        state, Pill(_words(state))
    )


def delivery_pill(delivery: Mapping[str, Any]) -> Pill:
    state = delivery["state"]
    if state == "due" and delivery["attempts"]:
        return Pill("Tried again by itself", "wait")
    return {
        "sent": Pill("Sent", "ok"),
        "due": Pill("On its way", "wait"),
        "parked": Pill("Not delivered", "bad"),
    }.get(state, Pill(_words(state)))


_CYCLES = {"monthly": "monthly cycle", "yearly": "yearly cycle", "once": "a one-time fee"}


def action_label(action: Mapping[str, Any]) -> str:
    """The words of the Action menu."""
    match action["action"]:
        case "activate_free":
            return "Activate now, free"
        case "make_invoice":
            return f"Make invoice for {_CYCLES.get(action['cycle'], action['cycle'])}"
        case other:
            return _words(str(other))


def _words(code: str) -> str:
    return code.replace("_", " ").capitalize()


def audit_label(action: str) -> str:
    """`invoice.void` -> `Invoice: void`."""
    thing, _, verb = action.partition(".")
    return f"{_words(thing)}: {verb.replace('_', ' ')}"


_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Change(NamedTuple):
    """A field before and after; None where there was or is none."""

    field: str
    before: Any
    after: Any


def changes(entry: Mapping[str, Any]) -> list[Change]:
    """What a person wants to know of an entry with `before` and `after`: not ids and versions."""
    before, after = entry["before"] or {}, entry["after"] or {}
    found = (Change(name, before.get(name), after.get(name)) for name in {**before, **after})
    return [
        change._replace(field=change.field.replace("_", " "))
        for change in found
        if change.field != "version"
        and change.before != change.after
        and not any(_ID.fullmatch(str(value)) for value in change[1:])
    ]


# What the page says after an action; an address can only choose among these.
DONE = {
    "saved": "Saved.",
    "customer-added": "The customer has been added.",
    "user-added": "The user has been added.",
    "user-saved": "Saved. No mail has been sent.",
    "user-switched": "Done.",
    "payment": "The payment has been recorded.",
    "voided": "The invoice is void.",
    "booked": "The invoice has been requested.",
    "activated": "Active now.",
    "deactivate": "The customer has been deactivated.",
    "reactivate": "The customer is active again.",
    "freeze": "What time makes due rests until this is lifted.",
    "unfreeze": "Time counts again.",
    "replay": "Handled again.",
    "discard": "Given up.",
    "catalogue-saved": "The catalogue has been saved.",
    "product-archived": "Nobody can book it any more; who has it keeps it.",
    "product-unarchived": "It can be booked again.",
    "deleted": "Deleted.",
    "client-off": "The client is switched off; tokens it has end within minutes.",
    "operator-added": "A mail with a link to choose a password is on its way.",
    "operator-switched": "Done.",
    "password": "The password has been changed. Please sign in with it.",
    "reset-sent": "If somebody has this e-mail, a link is on its way.",
    "totp-off": "Signing in asks for no code any more.",
    "signed-out": "You are signed out.",
}
