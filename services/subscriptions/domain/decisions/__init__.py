"""What operators do, what billing says, what time makes due: pure functions of the book."""

from services.subscriptions.domain.decisions.actions import Asked, Chosen, choose, take
from services.subscriptions.domain.decisions.manage import cancel_renewals

__all__ = ["Asked", "Chosen", "cancel_renewals", "choose", "take"]
