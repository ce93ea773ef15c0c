"""The catalogue as the API and files take it."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AliasChoices,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)

from services.subscriptions.domain.catalogue import Cycle
from services.subscriptions.domain.catalogue_document import KEY_MAX, Entry, NewPrice, Part
from shared.fields import CurrencyCode, DecimalString
from shared.http import InputModel

__all__ = [
    "CatalogueIn",
    "FeatureIn",
    "FeatureKey",
    "FeaturePatch",
    "ModuleIn",
    "ModulePatch",
    "PartIn",
    "PlanGroupIn",
    "PlanGroupPatch",
    "PlanIn",
    "PlanPatch",
    "entries_of",
]

Name = Annotated[str, Field(min_length=1, max_length=100)]
Description = Annotated[str, Field(max_length=1000)]
Key = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_.-]*$", max_length=KEY_MAX)]
Reference = Annotated[str, Field(min_length=1, max_length=KEY_MAX)]
Language = Annotated[str, Field(pattern="^[a-z]{2}$")]
FeatureKey = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]
FeatureValue = StrictBool | Annotated[str, StringConstraints(strict=True, max_length=200)]
Priority = Annotated[int, Field(ge=-1000, le=1000)]


class PriceIn(InputModel):
    """`unit_price` null: on request."""

    currency: CurrencyCode
    cycle: Cycle
    unit_price: Annotated[DecimalString, Field(ge=0, le=10**9, decimal_places=4)] | None
    basis: Literal["net", "gross"] = "net"
    vat_category: Annotated[str, Field(min_length=1, max_length=40)] = "standard"


class ProductTexts(InputModel):
    name: Name | None = None
    description: Annotated[Description, Field(min_length=1)] | None = None


class GroupTexts(InputModel):
    name: Name


class FeatureTexts(InputModel):
    label: Name


class PartIn(InputModel):
    """A part of the catalogue: what is not given has its default."""

    def entry(self, path: str = "") -> Entry:
        raise NotImplementedError


class _KeyedIn(PartIn):
    """Known by `id`, or else by `key`. Without an id one is made, without a key one of the name."""

    id: UUID | None = None
    key: Key | None = None
    name: Name
    priority: Priority = 0


class PlanGroupIn(_KeyedIn):
    """`country` null: worldwide; else its plans are for customers of that country only."""

    translations: Annotated[dict[Language, GroupTexts], Field(max_length=50)] = {}
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None

    def entry(self, path: str = "") -> Entry:
        values = self.model_dump(exclude={"id", "key"})
        return Entry("group", path, values, id=self.id, key=self.key)


class FeatureIn(PartIn):
    key: FeatureKey
    label: Name
    translations: Annotated[dict[Language, FeatureTexts], Field(max_length=50)] = {}

    def entry(self, path: str = "") -> Entry:
        return Entry("feature", path, self.model_dump(exclude={"key"}), key=self.key)


class _ProductIn(_KeyedIn):
    """`prices`: those of currencies and cycles that are not named stay."""

    description: Description = ""
    translations: Annotated[dict[Language, ProductTexts], Field(max_length=50)] = {}
    trial_days: Annotated[int, Field(ge=0, le=366)] = 0
    is_free: bool = False
    features: Annotated[dict[FeatureKey, FeatureValue], Field(max_length=500)] = {}
    archived: bool = False
    prices: Annotated[tuple[PriceIn, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _one_price_per_slot(self) -> "_ProductIn":
        slots = [(p.currency, p.cycle) for p in self.prices]
        if len(set(slots)) < len(slots):
            raise ValueError("prices must have one entry per currency and cycle")
        return self

    def _product(self, part: Part, path: str, **references: Any) -> Entry:
        outside = {"id", "key", "prices", "group", "included_modules", "translations"}
        return Entry(
            part,
            path,
            self.model_dump(exclude=outside)
            | {"translations": self.model_dump(exclude_none=True)["translations"]},
            id=self.id,
            key=self.key,
            prices=[NewPrice(**price.model_dump()) for price in self.prices],
            **references,
        )


class PlanIn(_ProductIn):
    """`group`: key or id, also as `group_id`. `max_users` 0: unlimited."""

    group: Annotated[Reference, Field(validation_alias=AliasChoices("group", "group_id"))]
    max_users: Annotated[int, Field(ge=0, le=10**6)] = 0
    recommended: bool = False
    is_default: bool = False
    included_modules: Annotated[tuple[Reference, ...], Field(max_length=500)] = ()

    @model_validator(mode="after")
    def _no_one_time_plan(self) -> "PlanIn":
        if any(p.cycle == "once" for p in self.prices):
            raise ValueError("a plan has no one-time price")
        return self

    def entry(self, path: str = "") -> Entry:
        references = {"group": self.group, "included_modules": self.included_modules}
        return self._product("plan", path, **references)


class ModuleIn(_ProductIn):
    bookable: bool = True

    def entry(self, path: str = "") -> Entry:
        return self._product("module", path)


class CatalogueIn(InputModel):
    groups: Annotated[tuple[PlanGroupIn, ...], Field(max_length=1000)] = ()
    features: Annotated[tuple[FeatureIn, ...], Field(max_length=1000)] = ()
    plans: Annotated[tuple[PlanIn, ...], Field(max_length=1000)] = ()
    modules: Annotated[tuple[ModuleIn, ...], Field(max_length=1000)] = ()

    @model_validator(mode="after")
    def _known_by_something(self) -> "CatalogueIn":
        for name in ("groups", "plans", "modules"):
            for index, part in enumerate(getattr(self, name)):
                if part.id is None and part.key is None:
                    # By its name alone the same document would make it again each time.
                    raise ValueError(f"{name}[{index}] needs a key or an id")
        return self


def entries_of(document: CatalogueIn) -> list[Entry]:
    return [
        part.entry(f"{name}[{index}]")
        for name in ("groups", "features", "plans", "modules")
        for index, part in enumerate(getattr(document, name))
    ]


def _as_patch(schema: dict[str, Any]) -> None:
    """Absent means unchanged, so the defaults are no values of the API, and nothing is required."""
    schema.pop("required", None)
    for field in schema["properties"].values():
        field.pop("default", None)


class PlanGroupPatch(PlanGroupIn):
    model_config = ConfigDict(json_schema_extra=_as_patch)
    name: Name = ""


class FeaturePatch(FeatureIn):
    model_config = ConfigDict(json_schema_extra=_as_patch)
    key: FeatureKey = ""
    label: Name = ""


class PlanPatch(PlanIn):
    model_config = ConfigDict(json_schema_extra=_as_patch)
    name: Name = ""
    group: Annotated[Reference, Field(validation_alias=AliasChoices("group", "group_id"))] = ""


class ModulePatch(ModuleIn):
    model_config = ConfigDict(json_schema_extra=_as_patch)
    name: Name = ""
