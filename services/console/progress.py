"""How far a booking has come, read off what the services say; nothing of it is stored here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Progress", "Step", "owed_on", "progress_of"]

# What comes is on the page within a second, the time it takes to fetch it included.
_MOVING_MS, _WAITING_MS = 500, 600

StepState = Literal["done", "now", "later", "failed"]


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    state: StepState


@dataclass(frozen=True, slots=True)
class Progress:
    """`look_again_ms`: when the next step may have come, None when there is none any more."""

    steps: tuple[Step, ...]
    look_again_ms: int | None
    invoice: Mapping[str, Any] | None
    outcome: Literal["waiting", "active", "void", "dropped", "paid"]
    trouble: str = ""

    @property
    def seen(self) -> str:
        """Changes with each step and payment, so that a page knows whether there is news."""
        owed = owed_on(self.invoice) if self.invoice else ""
        return "-".join([*(step.state[0] for step in self.steps), owed])

    @property
    def only_payment_is_missing(self) -> bool:
        """Then the invoice alone tells whether there is news."""
        return Step("Payment", "now") in self.steps


def owed_on(invoice: Mapping[str, Any]) -> str:
    """What is open while it waits for payment; empty when it does not any more."""
    return str(invoice["open_amount"]["amount"]) if invoice["state"] == "open" else ""


def progress_of(
    invoice: Mapping[str, Any] | None,
    deliveries: Sequence[Mapping[str, Any]],
    subscriptions: Sequence[Mapping[str, Any]],
    *,
    waiting: bool = True,
) -> Progress:
    """The steps from the request to the plan in force.

    Args:
        waiting: whether subscriptions still waits for this request's invoice.
    """
    if invoice is None:
        if not waiting:
            refused = (Step("Requested", "done"), Step("Refused by billing", "failed"))
            return Progress(refused, None, None, "dropped")
        asked = (Step("Requested", "done"), Step("Opened", "now"))
        steps = (*asked, *_later("Mailed", "Paid", "Active"))
        return Progress(steps, _MOVING_MS, None, "waiting")
    before = (Step("Requested", "done"), Step("Opened", "done"))
    mailed, trouble = _mailed(invoice, deliveries)
    if invoice["state"] in {"void", "credited"}:
        return Progress((*before, Step("Void", "failed")), None, invoice, "void")
    on_its_way = mailed.state == "now"
    if invoice["state"] == "open" and not waiting and _subscriptions_of(invoice):
        withdrawn = Step("Withdrawn", "now")
        return Progress((*before, mailed, withdrawn), _MOVING_MS, invoice, "dropped", trouble)
    if invoice["state"] != "paid":
        payment = Step("Paid", "later") if on_its_way else Step("Payment", "now")
        steps = (*before, mailed, payment, *_later("Active"))
        again = _MOVING_MS if on_its_way else _WAITING_MS
        return Progress(steps, again, invoice, "waiting", trouble)
    ids = _subscriptions_of(invoice)
    states = {s["state"] for s in subscriptions if s["id"] in ids}
    ended = bool(states) and states <= {"expired", "withdrawn"} and not waiting
    active = bool(states) and "pending" not in states and not waiting and not ended
    end = (Step("Active", "done" if active else "now"),) if ids and not ended else ()
    again_or_never = None if (active or ended or not ids) and not on_its_way else _MOVING_MS
    outcome: Literal["active", "paid"] = "active" if active else "paid"
    steps = (*before, mailed, Step("Paid", "done"), *end)
    return Progress(steps, again_or_never, invoice, outcome, trouble)


def _subscriptions_of(invoice: Mapping[str, Any]) -> set[str]:
    return {line["subscription_id"] for line in invoice["lines"] if line["subscription_id"]}


def _later(*names: str) -> tuple[Step, ...]:
    return tuple(Step(name, "later") for name in names)


def _mailed(
    invoice: Mapping[str, Any], deliveries: Sequence[Mapping[str, Any]]
) -> tuple[Step, str]:
    own = [d for d in deliveries if d["invoice_id"] == invoice["id"]]
    if any(d["state"] == "sent" for d in own):
        return Step("Mailed", "done"), ""
    if refused := next((d for d in own if d["state"] == "parked"), None):
        return Step("Not mailed", "failed"), str(refused["last_error"] or "")
    return Step("Mailed", "now"), ""
