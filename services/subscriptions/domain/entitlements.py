"""What a customer may use right now, from its subscriptions and the catalogue."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.subscriptions.domain.catalogue import Catalogue, Offering
from services.subscriptions.domain.subscription import State, Subscription

__all__ = ["Entitlements", "entitlements"]

_GRANTS = frozenset({State.TRIALING, State.ACTIVE, State.PAST_DUE, State.CANCELING})


@dataclass(frozen=True, slots=True)
class Entitlements:
    """`plan` and `modules` are (product id, name, subscription id)."""

    plan: tuple[UUID, str, UUID] | None
    modules: tuple[tuple[UUID, str, UUID], ...]
    features: dict[str, bool | str]
    max_users: int
    paid_until: date | None
    access_until: date | None


def _rank(module: Offering) -> tuple[int, str, UUID]:
    """Where two modules give different values, the later one in this order counts."""
    return module.priority, module.name, module.id


def entitlements(subscriptions: Iterable[Subscription], catalogue: Catalogue) -> Entitlements:
    granted = [s for s in subscriptions if s.state in _GRANTS]
    plan = next((s for s in granted if s.kind == "plan"), None)
    offering = catalogue.offerings[plan.product_id] if plan else None
    modules = {
        s.product_id: (s.product_id, catalogue.offerings[s.product_id].name, s.id)
        for s in granted
        if s.kind == "module"
    }
    for included in offering.included_modules if plan and offering else ():
        name = catalogue.offerings[included].name
        modules.setdefault(included, (included, name, plan.id))  # type: ignore[union-attr]
    features = dict(offering.features) if offering else {}
    for module in sorted((catalogue.offerings[m] for m in modules), key=_rank):
        # What is paid for adds: a module never switches off what something else brings.
        features |= {
            k: v for k, v in module.features.items() if v is not False or k not in features
        }
    period_end = plan.period.end if plan and plan.period else None
    return Entitlements(
        plan=(plan.product_id, offering.name, plan.id) if plan and offering else None,
        modules=tuple(sorted(modules.values(), key=lambda m: (m[1], m[0]))),
        features=dict(sorted(features.items())),
        max_users=offering.max_users if offering else 0,
        paid_until=period_end if plan and plan.origin == "invoice" else None,
        access_until=plan.ends_on if plan else None,
    )
