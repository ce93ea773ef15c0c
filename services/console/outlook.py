"""What an action will do, in sentences: said before it is done, from its dry run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.console.words import CYCLES, day, last_day, money, name_of

__all__ = ["Outlook", "Step", "outlook_of"]

_TITLES = {
    "activate_free": "Activate {names}",
    "start_trial": "Test {names} for {trial_days} days",
    "make_invoice": "Make invoice: {names}",
    "upgrade": "Upgrade to {names}",
    "change_cycle": "Change {names} to the {cycle}",
    "change_at_period_end": "Change to {names} at period end",
    "drop_change": "Drop what waits for {names}?",
    "edit_period": "Edit the period of {names}",
    "cancel": "Cancel {names}?",
    "revoke_cancellation": "Revoke the cancellation of {names}?",
    "withdraw": "Withdraw {names}?",
}
_BUTTONS = {
    "activate_free": "Activate now",
    "start_trial": "Start the test",
    "change_at_period_end": "Change at period end",
    "drop_change": "Drop it",
    "edit_period": "Save period",
    "cancel": "Cancel at expiry date",
    "revoke_cancellation": "Revoke cancellation",
    "withdraw": "Withdraw now",
}
_INVOICED = {
    "booking": "{names} {becomes} active by {itself} when it is paid; the period starts that day.",
    "change": "When it is paid, {names} {starts} that day, in place of what runs now.",
}
_SENTENCES = {
    "invoice.request_withdrawn": "The invoice that waited is withdrawn: it becomes void, and what"
    " was paid on it goes to the balance.",
    "credit.requested": "What is left of unused time is credited into the balance.",
    "subscription.booking_dropped": "What waited for payment is dropped.",
    "subscription.change_dropped": "The change that waited is dropped; what runs stays as it is.",
    "subscription.trial_started": "{names} can be used at once. The test ends by itself, unless it"
    " is paid for before; it is possible once per customer.",
    "subscription.activated": "{names} {is_} active at once.",
    "subscription.changed": "{names} {is_} active at once, in place of what runs now.",
    "subscription.change_scheduled": "What runs stays as it is until then, and {names} {starts} on"
    " {effective_on}. Until that day it can be dropped.",
    "subscription.expired": "A booked module that the plan includes ends as a booking of its own.",
    "subscription.cancellation_scheduled": "{names} {runs} until {last_day} and {is_} not renewed."
    " What is paid stays; what waits is dropped.",
    "subscription.cancellation_revoked": "Everything goes on as before. What is not paid stays"
    " unpaid.",
    "subscription.period_edited": "Nothing is charged or credited. Coming periods begin on the day"
    " after the last one.",
    "subscription.withdrawn": "{names} {ends} now, and so does the access. What was paid is not"
    " reimbursed; paid invoices stay.",
}
_MAILS = {
    "invoice": "the invoice",
    "credit_note": "the credit note",
    "activated": "that it is active",
    "canceled": "that it is canceled",
    "changed": "what has changed",
    "trial_started": "that the test has begun",
    "ended": "that it has ended",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One action on one card, as the services offer it; `offered` empty when they do not."""

    action: str
    cycle: str
    card: Mapping[str, Any]
    offered: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outlook:
    """`losses`: what nobody gets back."""

    title: str
    button: str
    sentences: tuple[str, ...]
    losses: tuple[str, ...]
    is_hard: bool


def outlook_of(
    steps: Sequence[Step], preview: Mapping[str, Any] | None, customer: Mapping[str, Any]
) -> Outlook:
    """What taking these steps together means; without a preview only what they are called."""
    first = steps[0]
    words = _words(steps)
    told = list(dict.fromkeys(preview["events"])) if preview else []
    invoiced = "invoice.requested" in told
    sentences = [_SENTENCES[kind].format(**words) for kind in told if kind in _SENTENCES]
    if invoiced:
        changes = "subscription.change_scheduled" in told
        who = name_of(customer) if customer.get("number") else "the customer"
        to = customer.get("billing_email") or customer.get("email") or "the customer"
        sentences = [
            f"An invoice is opened, numbered, and mailed to {to}.",
            _INVOICED["change" if changes else "booking"].format(**words),
            *(
                _SENTENCES[kind].format(**words)
                for kind in told
                if kind in _SENTENCES and kind != "subscription.change_scheduled"
            ),
            f"Until then nothing of it is granted, and what {who} has now stays as it is.",
        ]
    if first.action == "activate_free" and told:
        sentences.append("Nothing is charged; what has a price is recorded as a gift.")
    if preview:
        sentences += _company(preview, invoiced=invoiced)
    forfeited = preview["forfeited"] if preview else None
    return Outlook(
        _TITLES.get(first.action, "{names}").format(**words),
        "Make invoice" if invoiced else _BUTTONS.get(first.action, "Change now"),
        tuple(sentences),
        (f"{money(forfeited)} of unused time is deleted.",) if forfeited else (),
        first.action in {"cancel", "withdraw"},
    )


def _company(preview: Mapping[str, Any], *, invoiced: bool) -> list[str]:
    """What else goes with it: modules that live on, and mails beside the invoice's own."""
    found = []
    if stay := preview["modules_that_stay"]:
        found.append(f"{_listed(stay)} {'stays' if len(stay) == 1 else 'stay'} booked.")
    kinds = [m["kind"] for m in preview["mails"] if not (invoiced and m["kind"] == "invoice")]
    if mails := [_MAILS.get(kind, kind.replace("_", " ")) for kind in kinds]:
        found.append(f"The customer is mailed {_listed(mails)}.")
    return found


def _words(steps: Sequence[Step]) -> dict[str, str]:
    first, one = steps[0], len(steps) == 1
    effective_on = str(first.offered.get("effective_on") or "")
    return {
        "names": _listed([str(step.card.get("name", "This product")) for step in steps]),
        "cycle": CYCLES.get(first.cycle, first.cycle),
        "trial_days": str(first.card.get("trial_days", "")),
        "effective_on": day(effective_on) or "the day after",
        "last_day": last_day(effective_on) if effective_on else "its end",
        "itself": "itself" if one else "themselves",
        "becomes": "becomes" if one else "become",
        "is_": "is" if one else "are",
        "starts": "starts" if one else "start",
        "runs": "runs" if one else "run",
        "ends": "ends" if one else "end",
    }


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
