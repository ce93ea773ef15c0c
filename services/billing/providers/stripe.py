"""Stripe's webhooks: payment intents that succeeded, refunds, and disputes that were lost.

An invoice is named in the metadata of the payment intent, as `invoice`: its id or its number.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from stripe import WebhookSignature

from services.billing.domain.arrival import MoneyArrived, MoneyTakenBack, ProviderEvent
from services.billing.providers.contract import SignatureRefused, needed
from shared.errors import InputInvalid
from shared.money import Money, MoneyError, exponent

__all__ = ["StripeProvider"]

TOLERANCE_S = 300

# https://docs.stripe.com/currencies: amounts in these have no decimals, whatever ISO 4217 says, and
# in those two, although ISO 4217 says none.
_NO_DECIMALS = frozenset(
    "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split()  # noqa: SIM905
)
_TWO_DECIMALS = frozenset({"ISK", "UGX"})


class StripeProvider:
    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets

    def parse(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent | None:
        signature = headers.get("stripe-signature")
        if not any(_signed(body, signature, secret) for secret in self._secrets):
            raise SignatureRefused
        try:
            event = json.loads(body)
        except ValueError as error:
            raise InputInvalid("body", "must be JSON") from error
        kind, event_id = str(needed(event, "type")), str(needed(event, "id"))
        if kind not in _READERS:
            return None
        thing = needed(event, "data", "object")
        if not isinstance(thing, Mapping):
            raise InputInvalid("data.object", "must be an object")
        return _READERS[kind](event_id, thing)


def _signed(body: bytes, signature: str | None, secret: str) -> bool:
    try:
        WebhookSignature.verify_header(body, signature, secret, TOLERANCE_S)
    except Exception:  # noqa: BLE001 - whatever it stumbles over, a stranger has written it
        return False
    return True


def _succeeded(event_id: str, intent: Mapping[str, Any]) -> MoneyArrived:
    metadata = intent.get("metadata")
    named = metadata.get("invoice", "") if isinstance(metadata, Mapping) else ""
    kinds = str(intent.get("payment_method_types"))
    amount = _money(intent, "amount_received")
    if amount.minor <= 0:
        raise InputInvalid("data.object.amount_received", "must be greater than 0")
    return MoneyArrived(
        event_id=event_id,
        reference=str(needed(intent, "id")),
        amount=amount,
        named=str(named)[:200],
        method="card" if "card" in kinds else "other",
        received_at=_instant(needed(intent, "created")),
    )


def _refunded(event_id: str, charge: Mapping[str, Any]) -> MoneyTakenBack:
    """`amount_refunded` counts all refunds of a charge."""
    return MoneyTakenBack(
        event_id=event_id,
        reference=_intent_of(charge),
        reversal=f"refunds of {needed(charge, 'id')}",
        amount=_money(charge, "amount_refunded"),
        reason="refunded at Stripe",
    )


def _disputed(event_id: str, dispute: Mapping[str, Any]) -> MoneyTakenBack:
    reason = str(dispute.get("reason") or "").replace("_", " ")
    return MoneyTakenBack(
        event_id=event_id,
        reference=_intent_of(dispute),
        reversal=str(needed(dispute, "id")),
        amount=_money(dispute, "amount"),
        reason=f"disputed at Stripe: {reason}"[:300],
    )


def _reinstated(event_id: str, dispute: Mapping[str, Any]) -> MoneyArrived:
    """Won: the money comes a second time, to be allocated by an operator."""
    return MoneyArrived(
        event_id=event_id,
        reference=f"{needed(dispute, 'id')} won",
        amount=_money(dispute, "amount"),
        named="",
        method="card",
        received_at=_instant(needed(dispute, "created")),
    )


_READERS: Mapping[str, Callable[[str, Mapping[str, Any]], ProviderEvent]] = {
    "payment_intent.succeeded": _succeeded,
    "charge.refunded": _refunded,
    "charge.dispute.funds_withdrawn": _disputed,
    "charge.dispute.funds_reinstated": _reinstated,
}


def _intent_of(thing: Mapping[str, Any]) -> str:
    """Charges without a payment intent are of an API that Stripe has given up."""
    intent = thing.get("payment_intent") or needed(thing, "id")
    return str(needed(intent, "id") if isinstance(intent, Mapping) else intent)


def _instant(seconds: Any) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise InputInvalid("data.object.created", "must be seconds since 1970") from error


def _money(thing: Mapping[str, Any], name: str) -> Money:
    """An amount in Stripe's smallest unit, which is not always that of ISO 4217."""
    currency, minor = str(needed(thing, "currency")).upper(), needed(thing, name)
    try:
        decimals = exponent(currency)
        if currency in _NO_DECIMALS:
            decimals = 0
        elif currency in _TWO_DECIMALS:
            decimals = 2
        if not isinstance(minor, int) or isinstance(minor, bool):
            raise InputInvalid(f"data.object.{name}", "must be an integer")
        shifted = Decimal(minor).scaleb(exponent(currency) - decimals)
        if shifted != int(shifted):
            raise InputInvalid(f"data.object.{name}", f"is no amount of {currency}")
        return Money(int(shifted), currency)
    except MoneyError as error:
        raise InputInvalid(f"data.object.{name}", str(error)) from error
