"""A payment provider that signs what it says as Standard Webhooks has it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from standardwebhooks import Webhook

from tests.system import PROVIDER_SECRET, System

__all__ = ["Message", "PaymentProvider", "chf"]


def chf(text: str, currency: str = "CHF") -> dict[str, str]:
    return {"amount": text, "currency": currency}


@dataclass(frozen=True, slots=True)
class Message:
    body: bytes
    headers: dict[str, str]

    @classmethod
    def of(cls, kind: str, *, secret: str = PROVIDER_SECRET, **data: Any) -> "Message":
        at = datetime.now(UTC)
        body = json.dumps({"type": kind, "timestamp": at.isoformat(), "data": data})
        event_id = f"evt_{uuid4().hex}"
        headers = {
            "webhook-id": event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(event_id, at, body),
        }
        return cls(body.encode(), headers)


@dataclass(frozen=True, slots=True)
class PaymentProvider:
    """`client` has no token."""

    client: httpx.AsyncClient

    @classmethod
    async def of(cls, system: System) -> "PaymentProvider":
        return cls(await system.client_with({}))

    async def send(self, message: Message, *, name: str = "standard") -> httpx.Response:
        return await self.client.post(
            f"/payment-events/{name}", content=message.body, headers=message.headers
        )

    async def says(self, kind: str, **data: Any) -> str:
        """Send a message; returns what became of it."""
        answer = await self.send(Message.of(f"payment.{kind}", **data))
        assert answer.status_code == 200, answer.text
        outcome: str = answer.json()["outcome"]
        return outcome
