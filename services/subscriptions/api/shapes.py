"""Shapes that several answers share."""

from services.subscriptions.domain.subscription import Subscription
from services.subscriptions.schemas import subscriptions as schemas

__all__ = ["period_out", "subscription_out"]


def period_out(subscription: Subscription | None) -> schemas.PeriodOut | None:
    if subscription is None or subscription.period is None:
        return None
    return schemas.PeriodOut(start=subscription.period.start, end=subscription.period.end)


def subscription_out(subscription: Subscription) -> schemas.SubscriptionOut:
    return schemas.SubscriptionOut(
        id=subscription.id,
        customer_id=subscription.customer_id,
        kind=subscription.kind,
        product_id=subscription.product_id,
        state=str(subscription.state),
        version=subscription.version,
        term=subscription.term,
        origin=subscription.origin,
        cycle=subscription.cycle,
        period=period_out(subscription),
    )
