"""What people read: states, actions, money and days, in their words."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

__all__ = [
    "CYCLES",
    "MAIL_KINDS",
    "METHODS",
    "Change",
    "Pill",
    "action_label",
    "audit_label",
    "card_pill",
    "changes",
    "cycle_name",
    "day",
    "delivery_pill",
    "event_label",
    "instant",
    "invoice_name",
    "invoice_pill",
    "last_day",
    "money",
    "name_of",
    "number",
    "origin_label",
    "price",
    "span",
    "why_label",
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


def span(period: Mapping[str, str]) -> str:
    """A period with its last day: `1 Nov 2026 \u2013 30 Nov 2026`."""
    return f"{day(period['start'])} \u2013 {last_day(period['end'])}"


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


_FREE = {"free": Pill("Free", "ok"), "gift": Pill("Gift", "ok")}


_ENDS = {"trialing": "Test until {}", "canceling": "Canceled, ends {}"}


def card_pill(card: Mapping[str, Any]) -> Pill | None:
    state, end = card["state"], card["access_until"]
    if card["included_in_plan"]:
        return Pill("Included in plan", "ok")
    if state in {None, "expired"}:
        return _coming(card) or _CARD.get(state)
    pill = _CARD.get(state, Pill(_words(state)))
    if end and state in _ENDS:
        return Pill(_ENDS[state].format(last_day(end)), pill.tone)
    return _FREE.get(card["origin"], pill) if state == "active" else pill


def _coming(card: Mapping[str, Any]) -> Pill | None:
    """What a product will be that is nothing yet."""
    if card["waiting"]:
        return _CARD["pending"]
    if card["scheduled"]:
        return Pill(f"From {day(card['scheduled']['effective_on'])}", "wait")
    return None


def invoice_name(invoice: Mapping[str, Any]) -> str:
    """A draft has no number yet."""
    return str(invoice["number"] or "Draft")


_INVOICE = {
    "draft": Pill("Draft"),
    "paid": Pill("Paid", "ok"),
    "void": Pill("Void"),
    "credited": Pill("Credited"),
}


def invoice_pill(invoice: Mapping[str, Any]) -> Pill:
    """Partly paid and overdue are no states of their own: they follow from amounts and dates."""
    state = invoice["state"]
    if state == "open":
        partly = Decimal(invoice["paid"]["amount"]) > 0
        if invoice["overdue"]:
            return Pill("Overdue, partly paid" if partly else "Overdue", "bad")
        return Pill("Partly paid" if partly else "Open", "wait")
    return _INVOICE.get(state, Pill(_words(state)))


MAIL_KINDS = {
    "invoice": "Invoices",
    "credit_note": "Credit notes",
    "cancellation": "Cancellation notes",
}
METHODS = {"bank_transfer": "Bank transfer", "card": "Card", "cash": "Cash", "other": "Other"}
_ORIGINS = {
    "credit_note": "Credit note",
    "overpayment": "Paid above what was open",
    "invoice": "Used for an invoice",
    "invoice_voided": "Back from a void invoice",
    "refund": "Paid out",
    "forfeit": "Deleted with what was withdrawn",
}


def origin_label(origin: str) -> str:
    """Why a balance went up or down."""
    return _ORIGINS.get(origin, _words(origin))


_WHY = {
    "invoice_unknown": "It names no invoice.",
    "invoice_void": "Its invoice is void.",
    "invoice_credited": "Its invoice is credited.",
    "currency_differs": "Its invoice is in another currency.",
}


def why_label(why: str) -> str:
    """Why money could not be booked."""
    return _WHY.get(why, _words(why))


def delivery_pill(delivery: Mapping[str, Any]) -> Pill:
    state = delivery["state"]
    if state == "due" and delivery["attempts"]:
        return Pill("Tried again by itself", "wait")
    return {
        "sent": Pill("Sent", "ok"),
        "due": Pill("On its way", "wait"),
        "parked": Pill("Not delivered", "bad"),
    }.get(state, Pill(_words(state)))


CYCLES = {"monthly": "monthly cycle", "yearly": "yearly cycle", "once": "a one-time fee"}
_ACTIONS = {
    "activate_free": "Activate now, free",
    "start_trial": "Activate the test time ({trial_days} days)",
    "make_invoice": "Make invoice for {cycle}",
    "upgrade": "Make invoice for upgrade, {cycle}",
    "change_cycle": "Make invoice for {cycle}",
    "change_at_period_end": "Change at period end, {cycle}",
    "drop_change": "Drop the change",
    "edit_period": "Edit period",
    "cancel": "Cancel at expiry date",
    "revoke_cancellation": "Revoke cancellation",
    "withdraw": "Withdraw",
}


def cycle_name(cycle: str) -> str:
    return CYCLES.get(cycle, cycle)


def action_label(action: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    """The words of the Action menu."""
    name = str(action["action"])
    cycle = cycle_name(action["cycle"]) if action["cycle"] else "free"
    days = card.get("trial_days", "")
    return _ACTIONS.get(name, _words(name)).format(cycle=cycle, trial_days=days)


def _words(code: str) -> str:
    return code.replace("_", " ").capitalize()


def audit_label(action: str) -> str:
    """`invoice.void` -> `Invoice: void`."""
    thing, _, verb = action.partition(".")
    return f"{_words(thing)}: {verb.replace('_', ' ')}"


def event_label(event: str) -> str:
    """`subscription.period_edited` -> `period edited`."""
    return event.rpartition(".")[2].replace("_", " ")


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
