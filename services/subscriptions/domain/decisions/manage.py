"""Actions on what runs: other dates, its end, and back."""

from dataclasses import dataclass, replace
from datetime import date

from services.subscriptions.domain.decisions.start import reminder
from services.subscriptions.domain.draft import Draft, period_part
from services.subscriptions.domain.ledger import LedgerPeriod
from services.subscriptions.domain.subscription import State, Subscription, Trigger
from shared.errors import InputInvalid
from shared.periods import Period

__all__ = [
    "Edit",
    "cancel",
    "cancel_renewals",
    "drop_change",
    "edit_period",
    "revoke_cancellation",
    "withdraw",
]

_YEARS_MAX = 50


@dataclass(frozen=True, slots=True)
class Edit:
    """The dates an operator gives; what is left out stays as it is."""

    start: date | None = None
    end: date | None = None


def drop_change(draft: Draft, subscription: Subscription) -> None:
    draft.drop_waiting(subscription, "dropped", "dropped")


def edit_period(draft: Draft, subscription: Subscription, edit: Edit) -> None:
    """Give the running period other dates; nothing is charged or credited.

    Raises:
        InputInvalid: names the date and the rule that it breaks.
    """
    period = _edited(draft, subscription, edit)
    if period == subscription.period:
        raise InputInvalid("end", "must differ from the present one, or start must")
    draft.drop_leaning(subscription)
    waiting = draft.offers.get(subscription.id)
    if waiting and (waiting.used or waiting.rest):
        # Its credit is for days that would not be the same any more.
        subscription = draft.drop_offer(subscription, "period_edited", "replaced")
    rows = draft.periods_of(subscription)
    previous = subscription.period
    after = draft.step(
        subscription,
        Trigger.EDIT_PERIOD,
        {"period": period_part(period), "previous": period_part(previous)},
        term=subscription.term + 1,
        period=period,
        anchor_day=period.end.day,
        remind_at=reminder(draft, period) if subscription.state is State.TRIALING else None,
    )
    running = next((r for r in rows if previous and r.period.start == previous.start), None)
    if running:
        # The new term has what the old one was worth, and its invoice where that is still to come.
        draft.save_period(replace(running, term=after.term, period=period))
        if running.outcome == "requested":
            draft.save_period(replace(running, outcome="skipped"))
        for row in rows:
            if row is not running:
                draft.save_period(replace(row, term=after.term))
    elif after.origin in {"free", "gift"} or after.cycle == "once":
        draft.save_period(LedgerPeriod(after.id, after.term, period, "free"))
    if after.scheduled:
        facts = {
            "to": draft.product(after.kind, after.scheduled.product_id),
            "cycle": after.scheduled.cycle or after.cycle,
            "free": after.scheduled.cycle is None,
            "effective_on": period.end,
        }
        moved = replace(after.scheduled, effective_on=period.end)
        draft.step(after, Trigger.SCHEDULE_CHANGE, facts, scheduled=moved)


def _edited(draft: Draft, subscription: Subscription, edit: Edit) -> Period:
    today, before = draft.today, subscription.period
    start = edit.start or (before.start if before else today)
    end = edit.end or (before.end if before else None)
    if end is None:
        raise InputInvalid("end", "is required where there was none")
    if start > today:
        raise InputInvalid("start", f"must not be after today, {today}")
    if end <= today:
        raise InputInvalid("end", f"must be after today, {today}")
    if end.year > today.year + _YEARS_MAX:
        raise InputInvalid("end", f"must be within {_YEARS_MAX} years")
    if start.year < today.year - _YEARS_MAX:
        raise InputInvalid("start", f"must be within {_YEARS_MAX} years")
    paid_later = before and draft.last_end(subscription) > before.end
    if before and paid_later and end != before.end:
        raise InputInvalid("end", "can not be edited, the next period is paid already")
    return Period(start, end)


def cancel(draft: Draft, subscription: Subscription, reason: str = "canceled") -> None:
    """Let it run to the end of what is paid or has begun, and no further."""
    end = draft.last_end(subscription)
    left = draft.drop_waiting(subscription, reason, "withdrawn")
    _cancel_at(draft, left, end)


def cancel_renewals(draft: Draft) -> None:
    """Let everything that would renew run out; invoices that wait stay."""
    for subscription in list(draft.subscriptions.values()):
        renews = subscription.state is State.ACTIVE and subscription.origin == "invoice"
        if renews and subscription.period and subscription.cycle != "once":
            end = draft.last_end(subscription)
            _cancel_at(draft, draft.drop_scheduled(subscription, "customer_deactivated"), end)


def _cancel_at(draft: Draft, subscription: Subscription, end: date) -> None:
    draft.step(
        subscription,
        Trigger.CANCEL,
        {"ends_on": end},
        canceled_from=subscription.state,
        remind_at=None,
    )


def revoke_cancellation(draft: Draft, subscription: Subscription) -> None:
    """Back to before; what was not paid is still not paid."""
    remind_at = None
    if subscription.canceled_from is State.TRIALING and subscription.period:
        remind_at = reminder(draft, subscription.period)
    draft.step(subscription, Trigger.REVOKE, canceled_from=None, remind_at=remind_at)


def withdraw(draft: Draft, subscription: Subscription, reason: str) -> None:
    """End it now; what is not used up is forfeited, not reimbursed."""
    draft.drop_leaning(subscription)
    unused = draft.book.unused(subscription, draft.today)
    forfeited = draft.book.gross(unused)
    if subscription.state is State.PENDING:
        offer = draft.offers.get(subscription.id)
        if offer:
            draft.save_offer(replace(offer, state="dropped"))
            draft.withdraw_request(offer.request_id, subscription.id, "withdrawn")
    else:
        subscription = draft.drop_waiting(subscription, "withdrawn", "withdrawn")
    for row in draft.periods_of(subscription):
        if row.outcome == "requested" and row.request_id:
            draft.withdraw_request(row.request_id, subscription.id, "withdrawn")
            draft.save_period(replace(row, outcome="skipped"))
    facts = {"reason": reason, "forfeited": forfeited if forfeited.minor else None}
    draft.step(subscription, Trigger.WITHDRAW, facts, canceled_from=None, remind_at=None)
    if forfeited.minor:
        draft.forfeited = draft.forfeited + forfeited if draft.forfeited else forfeited
