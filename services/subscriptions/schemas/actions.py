from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from services.subscriptions.domain.catalogue import Cycle, Kind
from services.subscriptions.domain.matrix import CHARGED, ActionName
from services.subscriptions.schemas.subscriptions import PeriodOut, SubscriptionOut
from shared.fields import DecimalString, MoneyField
from shared.http import InputModel

__all__ = [
    "ActionIn",
    "ActionOut",
    "ActionResultOut",
    "CardOut",
    "CardsOut",
    "MailOut",
    "ModuleActionsIn",
    "PlanActionIn",
    "ResultLineOut",
    "ScheduledOut",
    "WaitingOut",
]


class ActionOut(BaseModel):
    """`amount`: the invoice total, `credit`: unused value that is credited; both including VAT."""

    action: ActionName
    cycle: Cycle | None = None
    amount: MoneyField | None = None
    credit: MoneyField | None = None
    effective_on: date | None = None


class WaitingOut(BaseModel):
    """An invoice that waits for payment, and what it is for."""

    request_id: UUID
    invoice_id: UUID | None
    product_id: UUID
    name: str
    cycle: Cycle
    lapses_on: date | None


class ScheduledOut(BaseModel):
    """What it becomes at the end of the period; without `cycle` it becomes free."""

    product_id: UUID
    name: str
    cycle: Cycle | None
    effective_on: date


class CardOut(BaseModel):
    """A plan or module with its state and exactly the actions that are possible now.

    `waiting` and `scheduled` stand beside what runs. `access_until` is given only where the end is
    certain.
    """

    product_id: UUID
    kind: Kind
    name: str
    description: str
    recommended: bool
    subscription_id: UUID | None
    state: str | None
    origin: str | None
    cycle: Cycle | None
    period: PeriodOut | None
    access_until: date | None
    included_in_plan: bool
    trial_days: int
    scheduled: ScheduledOut | None
    waiting: WaitingOut | None
    actions: list[ActionOut]
    reason: str | None


class CardsOut(BaseModel):
    items: list[CardOut]


class ActionIn(InputModel):
    """`start` and `end` (the first day after it) are for `edit_period`."""

    action: ActionName
    cycle: Cycle | None = None
    start: date | None = None
    end: date | None = None

    @model_validator(mode="after")
    def _cycle_where_charged(self) -> "ActionIn":
        if self.action in CHARGED and self.cycle is None:
            raise ValueError(f"cycle is required for {self.action}")
        if self.action not in {*CHARGED, "change_at_period_end"} and self.cycle is not None:
            raise ValueError(f"cycle is not for {self.action}")
        if self.action == "edit_period":
            if self.start is None and self.end is None:
                raise ValueError("start or end is required for edit_period")
            if self.start and self.end and self.end <= self.start:
                raise ValueError("end must be after start")
        elif self.start or self.end:
            raise ValueError(f"start and end are not for {self.action}")
        return self


Reason = Annotated[str, Field(max_length=500)]
CustomerVersion = Annotated[int, Field(ge=1, le=2**31 - 1)]


class PlanActionIn(ActionIn):
    """What an operator saw and wants.

    Attributes:
        expected_total: the amount that was shown; refused when it has changed.
        customer_version: of the customer that was shown; refused while an older one is known here.
    """

    plan_id: UUID
    reason: Reason = ""
    expected_total: MoneyField | None = None
    customer_version: CustomerVersion | None = None


class ModuleActionIn(ActionIn):
    module_id: UUID


class ModuleActionsIn(InputModel):
    """All of it or nothing, on one invoice. The other fields are as for a plan."""

    actions: Annotated[tuple[ModuleActionIn, ...], Field(min_length=1, max_length=100)]
    reason: Reason = ""
    expected_total: MoneyField | None = None
    customer_version: CustomerVersion | None = None


class ResultLineOut(BaseModel):
    """A line of the invoice; `explanation` is the formula of a credit with its inputs."""

    title: str
    description: str
    explanation: str
    quantity: DecimalString
    unit_price: DecimalString
    basis: Literal["net", "gross"]
    vat_percent: DecimalString
    total: MoneyField


class MailOut(BaseModel):
    """`to`: whose address is used when it is sent."""

    kind: str
    to: Literal["billing"] = "billing"


class ActionResultOut(BaseModel):
    """What came of it, or, with `dry_run`, would come of it.

    Attributes:
        request_id: of the invoice that is asked for; null when there is none.
        amount: the invoice total including VAT; null where nothing has a price.
        credit: unused value that is credited, by lines or into the balance, including VAT.
        forfeited: unused value that is not reimbursed, including VAT.
        modules_that_stay: modules that live on when the plan ends.
    """

    request_id: UUID | None
    amount: MoneyField | None
    credit: MoneyField | None
    forfeited: MoneyField | None
    lines: list[ResultLineOut]
    events: list[str]
    mails: list[MailOut]
    modules_that_stay: list[str]
    subscriptions: list[SubscriptionOut]
