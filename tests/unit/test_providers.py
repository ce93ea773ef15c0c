"""What every provider's adapter keeps to: one suite for all, and for one that is made up."""

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from standardwebhooks import Webhook
from stripe import WebhookSignature

from services.billing.domain.arrival import MoneyArrived, MoneyTakenBack, ProviderEvent
from services.billing.providers import Provider, SignatureRefused, providers_of
from services.billing.providers.standard import StandardProvider
from services.billing.providers.stripe import StripeProvider
from shared.errors import InputInvalid
from shared.money import Money

OLD, NEW, FOREIGN = (f"whsec_{'A' * 31}{letter}" for letter in "BCD")
AT = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
Headers = dict[str, str]


@dataclass(frozen=True)
class Kit:
    """How to speak as a provider.

    Attributes:
        sign: headers for a body, signed with a secret so long ago.
        arrived: the message that CHF 129.00 came for an invoice.
        taken_back: that CHF 29.00 of it have gone again.
        other: a message that is not about money.
    """

    provider: Callable[[Sequence[str]], Provider]
    sign: Callable[[bytes, str, timedelta], Headers]
    arrived: Mapping[str, Any]
    taken_back: Mapping[str, Any]
    other: Mapping[str, Any]
    method: str = "card"


# -- Stripe --------------------------------------------------------------------------------------


def stripe_sign(body: bytes, secret: str, ago: timedelta) -> Headers:
    signed_at = int((datetime.now(UTC) - ago).timestamp())
    header = WebhookSignature.generate_signature_header(body.decode(), secret, signed_at)
    return {"stripe-signature": header}


def stripe_event(kind: str, **thing: Any) -> dict[str, Any]:
    return {"id": "evt_1", "object": "event", "type": kind, "data": {"object": thing}}


STRIPE = Kit(
    StripeProvider,
    stripe_sign,
    stripe_event(
        "payment_intent.succeeded",
        id="pay_1",
        amount_received=12900,
        currency="chf",
        created=int(AT.timestamp()),
        metadata={"invoice": "INV-2026-0042"},
        payment_method_types=["card"],
    ),
    stripe_event(
        "charge.refunded", id="ch_1", payment_intent="pay_1", amount_refunded=2900, currency="chf"
    ),
    stripe_event("customer.created", id="cus_1"),
)


# -- Standard Webhooks ---------------------------------------------------------------------------


def standard_sign(body: bytes, secret: str, ago: timedelta) -> Headers:
    at = datetime.now(UTC) - ago
    return {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_1", at, body.decode()),
    }


def standard_event(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "timestamp": AT.isoformat(), "data": data}


def chf(text: str) -> dict[str, str]:
    return {"amount": text, "currency": "CHF"}


STANDARD = Kit(
    StandardProvider,
    standard_sign,
    standard_event(
        "payment.received",
        payment_id="pay_1",
        amount=chf("129.00"),
        invoice="INV-2026-0042",
        method="card",
    ),
    standard_event(
        "payment.reversed",
        payment_id="pay_1",
        reversal_id="ref_1",
        amount=chf("29.00"),
        reason="wanted back",
    ),
    standard_event("payment.pondered", payment_id="pay_1"),
)


# -- one that is made up: what the suite needs of an adapter, and no more ------------------------


class MadeUpProvider:
    def __init__(self, secrets: Sequence[str]) -> None:
        self.secrets = secrets

    def parse(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent | None:
        at, _, signature = headers.get("signed", "").partition(" ")
        wanted = {made_up_signature(body, secret, at) for secret in self.secrets}
        if signature not in wanted or float(at) < datetime.now(UTC).timestamp() - 300:
            raise SignatureRefused
        try:
            match json.loads(body):
                case {"came": text, "payment": str(payment), "for": str(named)}:
                    amount = Money.parse(text, "CHF")
                    return MoneyArrived("evt_1", payment, amount, named, "card", AT)
                case {"gone": text, "payment": str(payment)}:
                    amount = Money.parse(text, "CHF")
                    return MoneyTakenBack("evt_1", payment, "ref_1", amount, "")
                case {"came": _} | {"gone": _} | str():
                    raise InputInvalid("body", "is not what it should be")
        except ValueError as error:
            raise InputInvalid("body", str(error)) from error
        return None


def made_up_signature(body: bytes, secret: str, at: str) -> str:
    return hmac.new(secret.encode(), at.encode() + body, sha256).hexdigest()


def made_up_sign(body: bytes, secret: str, ago: timedelta) -> Headers:
    at = str((datetime.now(UTC) - ago).timestamp())
    return {"signed": f"{at} {made_up_signature(body, secret, at)}"}


MADE_UP = Kit(
    MadeUpProvider,
    made_up_sign,
    {"came": "129.00", "payment": "pay_1", "for": "INV-2026-0042"},
    {"gone": "29.00", "payment": "pay_1"},
    {"hello": "world"},
)

KITS = {"stripe": STRIPE, "standard": STANDARD, "made up": MADE_UP}
every_kit = pytest.mark.parametrize("kit", KITS.values(), ids=KITS)
NOW = timedelta()


def encoded(message: Any) -> bytes:
    return json.dumps(message).encode()


def said(
    kit: Kit, message: Any, *, secrets: Sequence[str] = (NEW,), signed: str = NEW
) -> ProviderEvent | None:
    body = encoded(message)
    return kit.provider(secrets).parse(body, kit.sign(body, signed, NOW))


# -- the suite -----------------------------------------------------------------------------------


@every_kit
def test_money_that_came_is_told_with_its_amount_and_invoice(kit: Kit) -> None:
    event = said(kit, kit.arrived)

    assert event == MoneyArrived("evt_1", "pay_1", Money(12900, "CHF"), "INV-2026-0042", "card", AT)


@every_kit
def test_money_that_went_names_the_payment_it_is_of(kit: Kit) -> None:
    event = said(kit, kit.taken_back)

    assert isinstance(event, MoneyTakenBack)
    assert (event.reference, event.amount) == ("pay_1", Money(2900, "CHF"))
    assert event.reversal


@every_kit
def test_what_is_not_about_money_is_nothing(kit: Kit) -> None:
    assert said(kit, kit.other) is None


@every_kit
def test_while_a_secret_is_replaced_both_are_good(kit: Kit) -> None:
    assert said(kit, kit.arrived, secrets=(NEW, OLD), signed=OLD) is not None
    assert said(kit, kit.arrived, secrets=(NEW, OLD), signed=NEW) is not None
    with pytest.raises(SignatureRefused):
        said(kit, kit.arrived, secrets=(NEW,), signed=OLD)


@every_kit
def test_an_altered_message_is_refused(kit: Kit) -> None:
    body = encoded(kit.arrived)
    headers = kit.sign(body, NEW, NOW)

    with pytest.raises(SignatureRefused):
        kit.provider([NEW]).parse(body.replace(b"129", b"999"), headers)
    with pytest.raises(SignatureRefused):
        kit.provider([NEW]).parse(body + b" ", headers)


@every_kit
def test_a_message_of_long_ago_is_refused(kit: Kit) -> None:
    body = encoded(kit.arrived)

    assert kit.provider([NEW]).parse(body, kit.sign(body, NEW, timedelta(minutes=4)))
    with pytest.raises(SignatureRefused):
        kit.provider([NEW]).parse(body, kit.sign(body, NEW, timedelta(minutes=6)))


@every_kit
@pytest.mark.parametrize("broken", ["", "x", "t=,v1=", "v1,", "t=1,v1=\x00", "🙂", "," * 5_000])
def test_whatever_stands_in_the_headers_is_a_refusal(kit: Kit, broken: str) -> None:
    body = encoded(kit.arrived)
    good = kit.sign(body, NEW, NOW)

    for name in good:
        if name == "webhook-id" and not broken:
            continue
        with pytest.raises(SignatureRefused):
            kit.provider([NEW]).parse(body, {**good, name: broken})
    with pytest.raises(SignatureRefused):
        kit.provider([NEW]).parse(body, {})


@every_kit
def test_bytes_that_are_no_text_are_refused(kit: Kit) -> None:
    body = encoded(kit.arrived)

    with pytest.raises(SignatureRefused):
        kit.provider([NEW]).parse(b"\xff" + body, kit.sign(body, NEW, NOW))


# -- each its own --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("currency", "minor", "amount"),
    [
        ("jpy", 1500, Money(1500, "JPY")),
        ("kwd", 1500, Money(1500, "KWD")),
        ("isk", 150000, Money(1500, "ISK")),  # two decimals there, none in ISO 4217
        ("mga", 1500, Money(150000, "MGA")),  # none there, two in ISO 4217
    ],
)
def test_amounts_of_stripe_are_in_its_own_units(currency: str, minor: int, amount: Money) -> None:
    thing = {**STRIPE.arrived["data"]["object"], "currency": currency, "amount_received": minor}
    event = said(STRIPE, stripe_event("payment_intent.succeeded", **thing))

    assert isinstance(event, MoneyArrived)
    assert event.amount == amount


def test_a_dispute_takes_money_and_brings_it_when_it_is_won() -> None:
    dispute = {
        "id": "dp_1",
        "payment_intent": "pay_1",
        "amount": 12900,
        "currency": "chf",
        "reason": "product_not_received",
        "created": int(AT.timestamp()),
    }
    lost = said(STRIPE, stripe_event("charge.dispute.funds_withdrawn", **dispute))
    won = said(STRIPE, stripe_event("charge.dispute.funds_reinstated", **dispute))

    assert isinstance(lost, MoneyTakenBack)
    assert (lost.reference, lost.reversal) == ("pay_1", "dp_1")
    assert lost.reason == "disputed at Stripe: product not received"
    assert isinstance(won, MoneyArrived)
    assert (won.reference, won.named) == ("dp_1 won", "")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_received": 12.5}, "data.object.amount_received"),
        ({"amount_received": 0}, "data.object.amount_received"),
        ({"amount_received": -5}, "data.object.amount_received"),
        ({"amount_received": 10**18}, "data.object.amount_received"),
        ({"amount_received": None}, "amount_received"),
        ({"currency": "xyz"}, "data.object.amount_received"),
        ({"currency": "isk", "amount_received": 150}, "data.object.amount_received"),
        ({"created": "yesterday"}, "data.object.created"),
        ({"id": None}, "id"),
    ],
)
def test_a_signed_message_of_stripe_that_is_wrong_names_its_field(
    changes: dict[str, Any], field: str
) -> None:
    thing = {**STRIPE.arrived["data"]["object"], **changes}
    with pytest.raises(InputInvalid) as refused:
        said(STRIPE, stripe_event("payment_intent.succeeded", **thing))

    assert refused.value.errors[0].field == field


@pytest.mark.parametrize(
    "message",
    [
        [],
        "x",
        5,
        {},
        {"type": "payment_intent.succeeded"},
        {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": "pay_1"}},
    ],
)
def test_a_signed_message_of_stripe_that_is_no_event_is_refused(message: Any) -> None:
    with pytest.raises(InputInvalid):
        said(STRIPE, message)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": chf("-5.00")}, "data.amount.amount"),
        ({"amount": {"amount": 5, "currency": "CHF"}}, "data.amount"),
        ({"amount": chf("5.001")}, "data.amount"),
        ({"payment_id": ""}, "data.payment_id"),
        ({"received_at": "2026-03-14T09:30"}, "data.received_at"),
    ],
)
def test_a_signed_standard_message_that_is_wrong_names_its_field(
    changes: dict[str, Any], field: str
) -> None:
    data = {**STANDARD.arrived["data"], **changes}
    with pytest.raises(InputInvalid) as refused:
        said(STANDARD, standard_event("payment.received", **data))

    assert refused.value.errors[0].field.startswith(field)


def test_a_standard_message_may_say_when_the_money_came() -> None:
    data = {**STANDARD.arrived["data"], "received_at": "2026-03-13T23:00:00+01:00"}
    event = said(STANDARD, standard_event("payment.received", **data))

    assert isinstance(event, MoneyArrived)
    assert event.received_at == datetime(2026, 3, 13, 22, tzinfo=UTC)


# -- which there are -----------------------------------------------------------------------------


def test_only_a_provider_with_secrets_is_there() -> None:
    assert set(providers_of({"stripe": f"{OLD}, {NEW}", "standard": " "})) == {"stripe"}
    assert providers_of({"stripe": "", "standard": ""}) == {}


@pytest.mark.parametrize("between", [",", ", ", "\n", " "])
def test_secrets_stand_apart_by_commas_or_lines(between: str) -> None:
    provider = providers_of({"stripe": "", "standard": f"{OLD}{between}{NEW}\n"})["standard"]
    body = encoded(STANDARD.arrived)

    for secret in (OLD, NEW):
        assert provider.parse(body, standard_sign(body, secret, NOW))
    with pytest.raises(SignatureRefused):
        provider.parse(body, standard_sign(body, FOREIGN, NOW))
