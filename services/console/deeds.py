"""What can be done with an invoice: the Action menu of its state, and what an action will do."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from services.console.words import day, invoice_name, money, name_of

__all__ = ["Deed", "Question", "Verb", "deeds_of", "question_of"]

Verb = Literal["finalize", "send", "correct", "due-date", "void", "delete"]


@dataclass(frozen=True, slots=True)
class Deed:
    """One entry of the Action menu.

    Attributes:
        note: at its right: an amount or a day.
        asks: it has a question of its own, shown over the page it was chosen on.
    """

    label: str
    path: str
    scope: str
    note: str = ""
    asks: bool = True
    is_hard: bool = False


_BY_STATE = {
    "draft": ("edit", "finalize", "print", "send", "delete"),
    "untouched": ("pay", "print", "send", "correct", "due-date", "credit", "void", "delete"),
    "open": ("pay", "print", "send", "due-date", "credit"),
    "paid": ("print", "send", "credit"),
    "void": ("print", "cancellation"),
    "credited": ("print",),
}


def deeds_of(invoice: Mapping[str, Any], scopes: Collection[str]) -> list[Deed]:
    """What the state of an invoice allows and somebody with these scopes may do."""
    state = "untouched" if _is_untouched(invoice) else invoice["state"]
    found = _all(invoice)
    named = (found[name] for name in _BY_STATE.get(state, ("print",)) if name in found)
    return [deed for deed in named if deed.scope in scopes]


def _is_untouched(invoice: Mapping[str, Any]) -> bool:
    """Open, and nobody would be owed anything if it were taken back."""
    moved = any(Decimal(invoice[name]["amount"]) for name in ("paid", "credited", "surplus"))
    return invoice["state"] == "open" and not moved


def _all(invoice: Mapping[str, Any]) -> dict[str, Deed]:
    write, owed, due = "invoices:write", money(invoice["open_amount"]), day(invoice["due_date"])
    again = "again" if _mails(invoice) else ""
    cancellation = Deed("Cancellation note (PDF)", "cancellation-note", "invoices:read", asks=False)
    return {
        "pay": Deed("Record payment…", "pay", "payments:write", owed),
        "edit": Deed("Edit", "edit", write, asks=False),
        "correct": Deed("Edit…", "correct", write),
        "print": Deed("Print (PDF)", "pdf", "invoices:read", asks=False),
        "send": Deed("Send by e-mail…", "send", write, again),
        "finalize": Deed("Finalise…", "finalize", write, money(invoice["total"])),
        "due-date": Deed("Extend due date…", "due-date", write, due),
        "credit": Deed("Credit note…", "credit", write),
        "void": Deed("Void…", "void", write, owed, is_hard=True),
        "delete": Deed("Delete…", "delete", write, is_hard=True),
        **({"cancellation": cancellation} if _is_out(invoice) else {}),
    }


def _mails(invoice: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """With the invoice itself, and not with a credit note or the like."""
    return [mail for mail in invoice["mails"] if mail["kind"] == "invoice"]


def _is_out(invoice: Mapping[str, Any]) -> bool:
    """Whether its customer has it: then there is a note when it becomes void."""
    return bool(_mails(invoice) or invoice["downloaded_at"])


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before an action: what it will do, sentence by sentence."""

    title: str
    sentences: tuple[str, ...]
    button: str
    is_hard: bool = False


_TITLES = {
    "finalize": "Finalise {name}",
    "send": "Send {name} by e-mail",
    "correct": "Edit {name}",
    "due-date": "Extend the due date of {name}",
    "void": "Void {name}?",
    "delete": "Delete {name}?",
}
_BUTTONS = {
    "finalize": "Finalise",
    "send": "Send",
    "correct": "Make corrected draft",
    "due-date": "Save due date",
    "void": "Void invoice",
    "delete": "Delete",
}


def question_of(
    verb: Verb,
    invoice: Mapping[str, Any],
    customer: Mapping[str, Any],
    preview: Mapping[str, Any] | None = None,
) -> Question:
    """What is asked before a verb is carried out; `preview` is the invoice after it."""
    sentences = {
        "finalize": lambda: _finalizing(invoice, customer, preview or invoice),
        "send": lambda: _sending(invoice, customer),
        "correct": lambda: _correcting(invoice),
        "due-date": lambda: _extending(invoice),
        "void": lambda: _voiding(invoice),
        "delete": lambda: _deleting(invoice),
    }[verb]()
    button = _BUTTONS[verb]
    if verb == "send" and invoice["state"] == "draft":
        button = "Finalise and send"
    elif verb == "send" and _mails(invoice):
        button = "Send again"
    title = _TITLES[verb].format(name=invoice["number"] or "this draft")
    return Question(title, tuple(sentences), button, verb in {"void", "delete"})


def _finalizing(
    draft: Mapping[str, Any], customer: Mapping[str, Any], then: Mapping[str, Any]
) -> list[str]:
    told = ["It gets the next number and the date of today, and cannot be changed any more."]
    used = then["credit_used"]
    if Decimal(used["amount"]):
        told.append(f"{money(used)} of the balance pays for it.")
    if then["state"] == "paid":
        told.append("Nothing is left to pay: it is paid at once.")
    else:
        owed = f"{money(then['open_amount'])} will be owed"
        told.append(f"{owed} until {day(then['due_date'])}." if then["due_date"] else f"{owed}.")
    if draft.get("corrects"):
        told.append(
            "The invoice it corrects becomes void in the same moment. A booking that waits for"
            " that one waits for this one from then on, and is dropped if its line is gone."
        )
    if _is_booked(draft):
        told.append(f"It is mailed to {_recipient(customer)}.")
    else:
        told.append("It is not mailed by itself: that is what Send by e-mail is for.")
    return told


def _sending(invoice: Mapping[str, Any], customer: Mapping[str, Any]) -> list[str]:
    told = []
    if invoice["state"] == "draft":
        told.append(
            "First it is finalised: it gets the next number and the date of today, and cannot be"
            f" changed any more. {money(invoice['total'])} will be owed."
        )
    told.append(f"It is mailed to {_recipient(customer)}, with the PDF attached.")
    if mails := _mails(invoice):
        last = mails[-1]
        to = f" to {last['to']}" if last["to"] else ""
        told.append(f"It was mailed{to} on {day(last['at'])}; this one says that it is sent again.")
    return told


def _correcting(invoice: Mapping[str, Any]) -> list[str]:
    name = invoice_name(invoice)
    copied = f"{name} itself cannot be changed. A draft with the same lines opens, for the same"
    payable = f"{name} stays payable until the draft is finalised. In that moment it becomes void,"
    return [
        f"{copied} customer in the same currency.",
        f"{payable} and what waits for it waits for the new one.",
    ]


def _extending(invoice: Mapping[str, Any]) -> list[str]:
    due = day(invoice["due_date"])
    rests = "no reminder goes out, and no access is withdrawn for it"
    return [f"It is due on {due}. Until the new day it does not count as overdue: {rests}."]


def _voiding(invoice: Mapping[str, Any]) -> list[str]:
    told = [f"{money(invoice['open_amount'])} will not be owed any more."]
    if Decimal(invoice["credit_used"]["amount"]):
        told.append(f"{money(invoice['credit_used'])} goes back to the balance.")
    if _is_booked(invoice):
        told.append(
            "A booking or change that waits for it is dropped; a renewal is not made. What runs now"
            " stays as it is, to the end of what is paid."
        )
    if _is_out(invoice):
        told.append("The customer has it already: a cancellation note is made and mailed.")
    told.append("The number stays accounted for. This cannot be taken back.")
    return told


def _deleting(invoice: Mapping[str, Any]) -> list[str]:
    if invoice["state"] == "draft":
        stays = " What it was to correct stays as it is." if invoice["corrects"] else ""
        return [f"The draft disappears. It has no number, and nobody has got it.{stays}"]
    if _is_untouched(invoice):
        return [*_voiding(invoice), "It is void then, and left out of the lists."]
    return ["What has been paid or credited cannot be deleted. A credit note takes it back."]


def _is_booked(invoice: Mapping[str, Any]) -> bool:
    return any(line["subscription_id"] for line in invoice["lines"])


def _recipient(customer: Mapping[str, Any]) -> str:
    known = customer.get("billing_email") or customer.get("email")
    return str(known or (name_of(customer) if customer.get("number") else "the customer"))
