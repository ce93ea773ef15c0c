from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from services.subscriptions.domain.catalogue import Cycle, Kind
from shared.fields import CurrencyCode, DecimalString
from shared.http import InputModel

__all__ = ["CatalogueIn", "CatalogueOut", "OfferingOut", "PlanIn", "PriceOut"]

Name = Annotated[str, Field(min_length=1, max_length=100)]
Texts = dict[Annotated[str, Field(pattern="^[a-z]{2}$")], dict[Literal["name", "description"], str]]


class PriceIn(InputModel):
    """`unit_price` null: on request."""

    currency: CurrencyCode
    cycle: Cycle
    unit_price: Annotated[DecimalString, Field(ge=0, le=10**9, decimal_places=4)] | None
    basis: Literal["net", "gross"] = "net"
    vat_category: Annotated[str, Field(min_length=1, max_length=40)] = "standard"


class OfferingIn(InputModel):
    id: UUID
    name: Name
    description: Annotated[str, Field(max_length=1000)] = ""
    translations: Texts = {}
    trial_days: Annotated[int, Field(ge=0, le=366)] = 0
    is_free: bool = False
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    features: dict[str, bool | str] = {}
    archived: bool = False
    prices: Annotated[tuple[PriceIn, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _one_price_per_slot(self) -> "OfferingIn":
        slots = [(p.currency, p.cycle) for p in self.prices]
        if len(set(slots)) < len(slots):
            raise ValueError("prices must have one entry per currency and cycle")
        return self


class PlanIn(OfferingIn):
    group_id: UUID
    max_users: Annotated[int, Field(ge=0, le=10**6)] = 0
    recommended: bool = False
    included_modules: tuple[UUID, ...] = ()

    @model_validator(mode="after")
    def _no_one_time_plan(self) -> "PlanIn":
        if any(p.cycle == "once" for p in self.prices):
            raise ValueError("a plan has no one-time price")
        return self


class ModuleIn(OfferingIn):
    bookable: bool = True


class PlanGroupIn(InputModel):
    """`country` null: worldwide."""

    id: UUID
    name: Name
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0


class FeatureIn(InputModel):
    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]
    label: Name


class CatalogueIn(InputModel):
    groups: Annotated[tuple[PlanGroupIn, ...], Field(max_length=1000)] = ()
    features: Annotated[tuple[FeatureIn, ...], Field(max_length=1000)] = ()
    plans: Annotated[tuple[PlanIn, ...], Field(max_length=1000)] = ()
    modules: Annotated[tuple[ModuleIn, ...], Field(max_length=1000)] = ()

    @model_validator(mode="after")
    def _distinct(self) -> "CatalogueIn":
        for name, ids in (
            ("groups", [g.id for g in self.groups]),
            ("features", [f.key for f in self.features]),
            ("plans and modules", [o.id for o in (*self.plans, *self.modules)]),
        ):
            if len(set(ids)) < len(ids):
                raise ValueError(f"{name} must have distinct ids")
        return self


class PriceOut(BaseModel):
    currency: str
    cycle: Cycle
    unit_price: DecimalString | None
    basis: Literal["net", "gross"]
    vat_category: str


class OfferingOut(BaseModel):
    id: UUID
    kind: Kind
    name: str
    description: str
    max_users: int
    trial_days: int
    is_free: bool
    recommended: bool
    priority: int
    archived: bool
    included_modules: list[UUID]
    features: dict[str, bool | str]
    prices: list[PriceOut]


class CatalogueOut(BaseModel):
    plans: list[OfferingOut]
    modules: list[OfferingOut]
