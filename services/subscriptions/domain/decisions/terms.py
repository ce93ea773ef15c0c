"""A new term begins: of a booking that was paid, of a change, of what is free."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from services.subscriptions.domain.catalogue import Cycle
from services.subscriptions.domain.draft import Draft, period_part
from services.subscriptions.domain.ledger import LedgerPeriod, Part, Taken
from services.subscriptions.domain.subscription import Origin, State, Subscription, Trigger
from shared.periods import Period

__all__ = ["Term", "begin", "carried", "expire", "take_in_modules"]


@dataclass(frozen=True, slots=True)
class Term:
    """What begins.

    Attributes:
        invoice_version, settlement: of the invoice that paid for it.
        request_id: of the invoice that was, or now is, asked for it.
        outcome: of its period in the ledger.
        worth: what the period is worth when it is given up.
        covered: subscriptions whose unused value has been credited for it already.
    """

    product_id: UUID
    origin: Origin
    cycle: Cycle | None = None
    price_id: UUID | None = None
    period: Period | None = None
    anchor_day: int | None = None
    invoice_id: UUID | None = None
    invoice_version: int | None = None
    settlement: int | None = None
    request_id: UUID | None = None
    outcome: Literal["billed", "requested"] = "billed"
    worth: tuple[Part, ...] = ()
    covered: Collection[UUID] = ()


def carried(taken: Iterable[Taken]) -> tuple[Part, ...]:
    """The parts of a period that unused value pays for instead of an invoice."""
    return tuple(replace(one.part, minor=one.minor, credited=0) for one in taken)


def begin(
    draft: Draft, subscription: Subscription, term: Term, *, new: bool = False
) -> Subscription:
    """Begin a term, at once; what waits beside the subscription has been seen to."""
    draft.drop_leaning(subscription)
    changed = not new and (
        subscription.product_id != term.product_id
        or (subscription.state is State.ACTIVE and subscription.origin == "invoice")
        or subscription.state not in _ACTIVATES
    )
    free = term.origin != "invoice"
    trigger = Trigger.CHANGE if changed else Trigger.ACTIVATE_FREE if free else Trigger.PAY
    facts: dict[str, Any] = {
        "term": subscription.term + 1,
        "origin": term.origin,
        "cycle": term.cycle,
        "period": period_part(term.period),
        "request_id": term.request_id,
        "invoice_id": term.invoice_id,
        "settlement": term.settlement,
    }
    if changed:
        facts["previous"] = draft.product(subscription.kind, subscription.product_id)
    after = draft.step(
        subscription,
        trigger,
        facts,
        new=new,
        product_id=term.product_id,
        term=subscription.term + 1,
        origin=term.origin,
        cycle=term.cycle,
        price_id=term.price_id,
        period=term.period,
        anchor_day=term.anchor_day,
        invoice_id=term.invoice_id,
        invoice_version=term.invoice_version
        or (subscription.invoice_version if subscription.invoice_id == term.invoice_id else None),
        canceled_from=None,
        scheduled=None,
        remind_at=None,
    )
    if term.period:
        requested = term.outcome == "requested"
        draft.save_period(
            LedgerPeriod(
                after.id,
                after.term,
                term.period,
                term.outcome,
                term.invoice_id,
                term.request_id if requested else None,
                term.worth,
            )
        )
    if after.kind == "plan":
        take_in_modules(draft, after, covered=term.covered)
    return after


_ACTIVATES = frozenset({State.PENDING, State.TRIALING, State.ACTIVE, State.EXPIRED})


def take_in_modules(draft: Draft, plan: Subscription, covered: Collection[UUID] = ()) -> None:
    """What the plan brings along is over as something of its own; what was paid once is kept."""
    included = draft.book.offering(plan.product_id).included_modules
    for module in list(draft.subscriptions.values()):
        if not module.live and module.product_id in included:
            draft.drop_offer(module, "included_in_plan", "settled_otherwise")
    for module in draft.live_modules():
        if module.product_id not in included or module.cycle == "once":
            continue
        if module.id not in covered:
            draft.give_back(draft.book.unused(module, draft.today))
        left = draft.drop_waiting(module, "included_in_plan", "settled_otherwise")
        if left.live:
            expire(draft, left, "included_in_plan")


def expire(draft: Draft, subscription: Subscription, reason: str) -> Subscription:
    return draft.step(
        subscription,
        Trigger.EXPIRE,
        {"reason": reason},
        canceled_from=None,
        scheduled=None,
        remind_at=None,
    )
