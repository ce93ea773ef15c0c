"""Doing what a customer's cards offer, or only saying what would come of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.subscriptions import repository
from services.subscriptions.domain.book import Policy
from services.subscriptions.domain.catalogue import Kind
from services.subscriptions.domain.decisions import Asked, Chosen, take
from services.subscriptions.domain.draft import Draft
from services.subscriptions.domain.pricing import price_lines
from services.subscriptions.domain.subscription import Subscription
from services.subscriptions.use_cases.saving import facts, save
from shared.audit import Act
from shared.clock import NewId
from shared.database import Tx
from shared.errors import Conflict, NotFound
from shared.events import Event
from shared.events.subscriptions import RequestedLine
from shared.money import Money

__all__ = ["ActionResult", "AmountChanged", "ResultLine", "take_actions"]

# What the notifier mails when it hears of it; nothing else is foretold.
_MAILS = {"invoice.requested": "invoice"}


@dataclass(frozen=True, slots=True)
class ResultLine:
    line: RequestedLine
    vat_percent: Decimal
    total: Money


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What came, or would come, of it.

    Attributes:
        amount: the invoice total; absent where nothing is priced.
        credit: unused value that is credited, by lines or into the balance, including VAT.
        forfeited: unused value that nobody gets back, including VAT.
    """

    subscriptions: tuple[Subscription, ...]
    request_id: UUID | None
    amount: Money | None
    credit: Money | None
    forfeited: Money | None
    lines: tuple[ResultLine, ...]
    events: tuple[str, ...]
    mails: tuple[str, ...]
    modules_that_stay: tuple[str, ...]


class AmountChanged(Conflict):
    """`result`: what would come of it now."""

    def __init__(self, result: ActionResult) -> None:
        amount = result.amount
        detail = (
            f"The amount is {amount.currency} {amount.amount} now." if amount else "It is free."
        )
        super().__init__("amount_changed", detail, amount=amount.to_dict() if amount else None)
        self.result = result


async def take_actions(
    tx: Tx,
    customer_id: UUID,
    kind: Kind,
    asked: Sequence[Asked],
    *,
    expected_total: Money | None,
    customer_version: int | None,
    reason: str,
    dry_run: bool,
    policy: Policy,
    actor: str,
    now: datetime,
    new_id: NewId,
) -> ActionResult:
    """Do what the customer's cards offer, all of it or nothing; one invoice for all of it.

    Raises:
        NotFound: no such customer or product.
        Conflict: an action is not offered, the copy of the customer is too old, or
            (`AmountChanged`) the amount is not the expected one.
        InputInvalid: a date breaks a rule.
    """
    find = repository.get_customers if dry_run else repository.lock_customers
    customers = await find(tx, [customer_id])
    if customer_id not in customers:
        raise NotFound("customer", customer_id)
    if customer_version and customers[customer_id].version < customer_version:
        raise Conflict("retry", "The customer has just been changed; try again in a moment.")
    book = (await repository.get_books(tx, customers, policy=policy))[customer_id]
    draft = Draft(book, now=now, new_id=new_id)
    chosen = take(draft, kind, asked, reason)
    result = _result(draft, chosen)
    none = Money.zero(book.customer.currency)
    if expected_total is not None and expected_total != (result.amount or none):
        raise AmountChanged(result)
    if not dry_run:
        acts = [_act(item, draft, result) for item in chosen]
        await save(tx, [draft], actor=actor, reason=reason, acts=acts, now=now, new_id=new_id)
    return result


def _result(draft: Draft, chosen: Sequence[Chosen]) -> ActionResult:
    lines = [line for charge in draft.charges for line in charge.lines]
    quoted = price_lines(lines, draft.book, draft.now) if lines else None
    currency = draft.book.customer.currency
    told: Sequence[Event] = draft.events()
    touched = list(dict.fromkeys(step.after.id for step in draft.steps))
    kinds = tuple(event.TYPE for event in told)
    return ActionResult(
        subscriptions=tuple(draft.subscriptions[id_] for id_ in touched),
        request_id=draft.requests[0].request_id if draft.requests else None,
        amount=Money(quoted.totals.total_minor, currency) if quoted else None,
        credit=draft.credit if draft.credit.minor else None,
        forfeited=draft.forfeited,
        lines=tuple(
            ResultLine(line, percent, Money(total, currency))
            for line, percent, total in zip(
                lines, quoted.vat_percents, quoted.totals.line_totals_minor, strict=True
            )
        )
        if quoted
        else (),
        events=kinds,
        mails=tuple(dict.fromkeys(_MAILS[kind] for kind in kinds if kind in _MAILS)),
        modules_that_stay=_modules_that_stay(draft, chosen),
    )


def _modules_that_stay(draft: Draft, chosen: Sequence[Chosen]) -> tuple[str, ...]:
    """Modules live on when the plan ends; whoever ends it should know."""
    ends = any(
        card.offering.kind == "plan" and action.name in {"cancel", "withdraw"}
        for card, action, _ in chosen
    )
    names = [draft.book.offering(m.product_id).name for m in draft.live_modules()]
    return tuple(sorted(names)) if ends else ()


def _act(chosen: Chosen, draft: Draft, result: ActionResult) -> Act:
    card, action, _ = chosen
    before = card.target
    after = (
        draft.subscriptions[before.id]
        if before
        else next(s for s in result.subscriptions if s.product_id == card.offering.id)
    )
    told: dict[str, Any] = {**facts(after), "product": card.offering.name}
    if action.cycle:
        told["asked_cycle"] = action.cycle
    if result.request_id:
        told["request_id"] = str(result.request_id)
    return Act(
        f"subscription.{action.name}",
        "subscription",
        after.id,
        draft.book.customer.id,
        before=facts(before) if before else None,
        after=told,
    )
