from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from services.subscriptions.domain.catalogue import Cycle, Kind
from services.subscriptions.schemas.subscriptions import PeriodOut, SubscriptionOut
from shared.fields import MoneyField
from shared.http import InputModel

__all__ = [
    "ActionIn",
    "ActionOut",
    "ActionResultOut",
    "CardOut",
    "CardsOut",
    "ModuleActionsIn",
    "PlanActionIn",
    "WaitingOut",
]


class ActionOut(BaseModel):
    """`amount`: the invoice total including VAT."""

    action: str
    cycle: Cycle | None = None
    amount: MoneyField | None = None


class WaitingOut(BaseModel):
    request_id: UUID
    invoice_id: UUID | None


class CardOut(BaseModel):
    """A plan or module with its state and exactly the actions that are possible now.

    `waiting` names the invoice whose payment the product waits for.
    """

    product_id: UUID
    kind: Kind
    name: str
    description: str
    recommended: bool
    subscription_id: UUID | None
    state: str | None
    period: PeriodOut | None
    waiting: WaitingOut | None
    actions: list[ActionOut]
    reason: str | None


class CardsOut(BaseModel):
    items: list[CardOut]


class ActionIn(InputModel):
    action: Literal["activate_free", "make_invoice"]
    cycle: Cycle | None = None

    @model_validator(mode="after")
    def _cycle_where_charged(self) -> "ActionIn":
        if (self.action == "make_invoice") != (self.cycle is not None):
            raise ValueError("cycle is required for make_invoice and for nothing else")
        return self


class PlanActionIn(ActionIn):
    """`expected_total`: the amount the operator saw; refused when it has changed."""

    plan_id: UUID
    expected_total: MoneyField | None = None


class ModuleActionIn(ActionIn):
    module_id: UUID


class ModuleActionsIn(InputModel):
    """All of it or nothing, on one invoice."""

    actions: Annotated[tuple[ModuleActionIn, ...], Field(min_length=1, max_length=100)]
    expected_total: MoneyField | None = None


class ActionResultOut(BaseModel):
    """`request_id` and `amount` are null when nothing is to be paid."""

    request_id: UUID | None
    amount: MoneyField | None
    subscriptions: list[SubscriptionOut]
