"""Field types that events and API schemas share."""

from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from shared.money import Money, MoneyError, exponent

__all__ = ["CurrencyCode", "DecimalString", "Email", "EmailOrEmpty", "MoneyField", "TimeZone"]


def _money(value: Any) -> Money:
    if isinstance(value, Money):
        return value
    if not isinstance(value, dict) or set(value) != {"amount", "currency"}:
        raise ValueError('must be {"amount": "129.00", "currency": "CHF"}')
    if not isinstance(value["amount"], str) or not isinstance(value["currency"], str):
        raise ValueError("amount and currency must be strings")  # noqa: TRY004 - pydantic wants ValueError
    return Money.parse(value["amount"], value["currency"])


MoneyField = Annotated[
    Money,
    PlainValidator(_money),
    PlainSerializer(Money.to_dict),
    WithJsonSchema(
        {
            "type": "object",
            "title": "Money",
            "required": ["amount", "currency"],
            "additionalProperties": False,
            "properties": {
                "amount": {"type": "string", "pattern": r"^-?\d{1,15}(\.\d{1,4})?$"},
                "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            },
        }
    ),
]


def _no_float(value: Any) -> Any:
    # A float has already lost cents before anybody could refuse it.
    if isinstance(value, float | int):
        raise ValueError('must be a decimal string such as "12.50"')  # noqa: TRY004 - pydantic wants ValueError
    return value


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError("must be a finite number")
    return value


DecimalString = Annotated[
    Decimal,
    BeforeValidator(_no_float),
    AfterValidator(_finite),
    PlainSerializer(lambda value: format(value, "f"), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d{1,12}(\.\d{1,6})?$"}),
]


def _currency(value: str) -> str:
    try:
        exponent(value)
    except MoneyError as error:
        raise ValueError(str(error)) from error
    return value


CurrencyCode = Annotated[
    str, AfterValidator(_currency), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})
]


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError) as error:  # a KeyError says that there is no such zone
        raise ValueError("must be an IANA time zone such as Europe/Zurich") from error
    return value


TimeZone = Annotated[str, AfterValidator(_time_zone)]


def _email(value: str) -> str:
    try:
        # Not whether it can be delivered: that would ask the network while a person waits.
        validate_email(value, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(f"must be an e-mail address ({error})") from error
    return value


Email = Annotated[str, Field(max_length=254), AfterValidator(_email)]
EmailOrEmpty = Annotated[
    str, Field(max_length=254), AfterValidator(lambda value: value and _email(value))
]
