"""Which actions a card offers: the one table of it.

`OWN` is read by the situation of the card's own product, `OTHER` on the card of another plan by the
situation of the customer's live plan. Prices, trials and limits only ever take actions away.
"""

from collections.abc import Mapping
from typing import Literal, get_args

from services.subscriptions.domain.subscription import State, Subscription

__all__ = [
    "BOOKING",
    "CHARGED",
    "OTHER",
    "OWN",
    "REASONS",
    "WAITING",
    "ActionName",
    "Situation",
    "situation",
]

ActionName = Literal[
    "activate_free",
    "start_trial",
    "make_invoice",
    "upgrade",
    "change_cycle",
    "change_at_period_end",
    "drop_change",
    "edit_period",
    "cancel",
    "revoke_cancellation",
    "withdraw",
]
Situation = Literal[
    "none",
    "expired",
    "pending",
    "trialing",
    "paid",
    "free",
    "gift",
    "once",
    "past_due",
    "suspended",
    "canceling",
]

_NEW: tuple[ActionName, ...] = ("activate_free", "start_trial", "make_invoice")
_ENDLESS: tuple[ActionName, ...] = ("make_invoice", "edit_period", "withdraw")

OWN: Mapping[Situation, tuple[ActionName, ...]] = {
    "none": _NEW,
    "expired": _NEW,
    "pending": ("withdraw",),
    "trialing": ("make_invoice", "edit_period", "cancel", "withdraw"),
    "paid": ("change_cycle", "change_at_period_end", "edit_period", "cancel", "withdraw"),
    "free": _ENDLESS,
    "gift": _ENDLESS,
    "once": ("edit_period", "withdraw"),
    "past_due": ("cancel", "withdraw"),
    "suspended": ("withdraw",),
    "canceling": ("revoke_cancellation", "edit_period", "withdraw"),
}

OTHER: Mapping[Situation, tuple[ActionName, ...]] = {
    "none": _NEW,
    "expired": _NEW,
    "pending": (),
    "trialing": ("make_invoice", "activate_free"),
    "paid": ("upgrade", "change_at_period_end", "activate_free"),
    "free": ("make_invoice", "activate_free"),
    "gift": ("make_invoice", "activate_free"),
    "once": ("make_invoice", "activate_free"),
    "past_due": (),
    "suspended": (),
    "canceling": ("upgrade",),
}

WAITING: tuple[ActionName, ...] = ("drop_change",)
"""What an own card offers too while an offer or a scheduled change waits beside it."""

REASONS: Mapping[Situation, str] = {
    "pending": "Another plan waits for payment.",
    "past_due": "Another plan's payment is overdue.",
    "suspended": "Another plan is suspended.",
}
"""Why another plan's card offers nothing."""

BOOKING = frozenset[ActionName](
    {
        "activate_free",
        "start_trial",
        "make_invoice",
        "upgrade",
        "change_cycle",
        "change_at_period_end",
    }
)
"""What leads to something new: not for deactivated customers, nor where a limit is exceeded."""

CHARGED = frozenset[ActionName]({"make_invoice", "upgrade", "change_cycle"})
"""What makes an invoice."""

_BY_ORIGIN: Mapping[str | None, Situation] = {
    "free": "free",
    "gift": "gift",
    "invoice": "paid",
}
_BY_STATE: Mapping[str, Situation] = {
    name: name for name in get_args(Situation) if name in set(map(str, State))
}


def situation(subscription: Subscription | None) -> Situation:
    """The row of the table that counts for it."""
    if subscription is None or subscription.state is State.WITHDRAWN:
        return "none"
    if subscription.state is not State.ACTIVE:
        return _BY_STATE[subscription.state]
    if subscription.cycle == "once":
        return "once"
    return _BY_ORIGIN.get(subscription.origin, "paid")
