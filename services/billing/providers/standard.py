"""Messages signed as Standard Webhooks has it, with a body that is described in docs/integrator.md.

For any provider or bridge that has no adapter of its own.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from standardwebhooks import Webhook

from services.billing.domain.arrival import MoneyArrived, MoneyTakenBack, ProviderEvent
from services.billing.providers.contract import SignatureRefused
from shared.errors import InputInvalid
from shared.fields import MoneyField

__all__ = ["StandardProvider"]

_Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Received(_Part):
    payment_id: _Name
    amount: MoneyField
    invoice: Annotated[str, Field(max_length=200)] = ""
    method: Literal["bank_transfer", "card", "cash", "other"] = "other"
    received_at: AwareDatetime | None = None


class _Reversed(_Part):
    payment_id: _Name
    reversal_id: Annotated[str, Field(max_length=200)] = ""
    amount: MoneyField | None = None
    reason: Annotated[str, Field(max_length=300)] = ""


class _ReceivedMessage(_Part):
    type: Literal["payment.received"]
    timestamp: AwareDatetime
    data: _Received


class _ReversedMessage(_Part):
    type: Literal["payment.reversed"]
    data: _Reversed


class _OtherMessage(_Part):
    type: str


_KINDS: Mapping[str, type[_ReceivedMessage | _ReversedMessage]] = {
    "payment.received": _ReceivedMessage,
    "payment.reversed": _ReversedMessage,
}


class StandardProvider:
    def __init__(self, secrets: Sequence[str]) -> None:
        """Raises ValueError where a secret is not base64."""
        self._webhooks = [Webhook(secret) for secret in secrets]

    def parse(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent | None:
        if not any(_signed(webhook, body, headers) for webhook in self._webhooks):
            raise SignatureRefused
        try:
            kind = _KINDS.get(_OtherMessage.model_validate_json(body).type)
            message = kind.model_validate_json(body) if kind else None
        except ValidationError as error:
            first = error.errors()[0]
            raise InputInvalid(".".join(map(str, first["loc"])) or "body", first["msg"]) from error
        event_id = headers["webhook-id"]
        match message:
            case _ReceivedMessage(timestamp=at, data=data):
                return _arrived(event_id, at, data)
            case _ReversedMessage(data=data):
                return MoneyTakenBack(
                    event_id, data.payment_id, data.reversal_id, data.amount, data.reason
                )
            case _:
                return None


def _arrived(event_id: str, at: datetime, data: _Received) -> MoneyArrived:
    if data.amount.minor <= 0:
        raise InputInvalid("data.amount.amount", "must be greater than 0")
    return MoneyArrived(
        event_id=event_id,
        reference=data.payment_id,
        amount=data.amount,
        named=data.invoice,
        method=data.method,
        received_at=data.received_at or at,
    )


def _signed(webhook: Webhook, body: bytes, headers: Mapping[str, str]) -> bool:
    try:
        webhook.verify(body, dict(headers), json_parse=False)
    except Exception:  # noqa: BLE001 - whatever it stumbles over, a stranger has written it
        return False
    return True
