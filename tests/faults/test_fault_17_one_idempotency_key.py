"""Hundreds of equal requests at the same time, as an impatient client or proxy sends them."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from deploy.services import SERVICES
from tests.faults.fleet import SECONDS, seeded, working
from tests.faults.journeys import Journeys
from tests.faults.oracle import verify
from tests.system import System
from tests.tokens import issuer

pytestmark = pytest.mark.timeout(240 + 3 * SECONDS)

_AT_ONCE = 500
_CONNECTIONS = 25
_INSTANCES = 2


async def test_500_payments_with_one_key_are_one_payment(system: System) -> None:
    async with working(system), Journeys(system, seeded("one key")) as journeys:
        customer, *_ = await journeys.customers(1)
        booked = await journeys.book(customer, "plan")
        invoice = await journeys.invoice_of(booked)
        path = f"/invoices/{invoice['id']}/payments"
        # So little that 500 of them would fit: nothing but the key stands in the way.
        part = {"amount": {"amount": "0.01", "currency": invoice["currency"]}}

        answers = await _all_at_once(system, path, [part] * _AT_ONCE, key="part")
        _one_effect(answers)
        payments = (await system.get(path))["items"]
        assert [payment["amount"]["amount"] for payment in payments] == ["0.01"]

        again = await system.api.post(path, json=part, headers={"idempotency-key": "part"})
        assert (again.status_code, again.headers.get("idempotent-replayed")) == (201, "true")
        different = {"amount": {"amount": "0.02", "currency": invoice["currency"]}}
        refused = await system.api.post(path, json=different, headers={"idempotency-key": "part"})
        assert refused.status_code == 422, refused.text
        void = f"/invoices/{invoice['id']}/void"
        elsewhere = await system.api.post(void, headers={"idempotency-key": "part"})
        assert elsewhere.status_code == 422, elsewhere.text

        # What is open, with one key: it is paid once, and the product is active once.
        rest = {"amount": (await system.get(f"/invoices/{invoice['id']}"))["open_amount"]}
        _one_effect(await _all_at_once(system, path, [rest] * _AT_ONCE, key="rest"))
        journeys.promised |= {s["id"]: "active" for s in booked["subscriptions"]}
        await verify(system, promised=journeys.promised)
        assert len((await system.get(path))["items"]) == 2


async def test_of_two_bodies_with_one_key_only_one_is_done(system: System) -> None:
    async with working(system), Journeys(system, seeded("two bodies")) as journeys:
        customer, *_ = await journeys.customers(1)
        booked = await journeys.book(customer, "plan")
        invoice = await journeys.invoice_of(booked)
        path = f"/invoices/{invoice['id']}/payments"
        bodies = [
            {"amount": {"amount": amount, "currency": invoice["currency"]}}
            for amount in ("0.01", "0.02")
        ]
        answers = await _all_at_once(system, path, bodies * (_AT_ONCE // 2), key="either")
        statuses = Counter(answer.status_code for answer in answers)
        assert set(statuses) <= {201, 409, 422}, statuses
        done = {answer.content for answer in answers if answer.status_code == 201}
        assert len(done) == 1, done
        [payment] = (await system.get(path))["items"]
        again = [
            await system.api.post(path, json=body, headers={"idempotency-key": "either"})
            for body in bodies
        ]
        expected = [201 if body["amount"] == payment["amount"] else 422 for body in bodies]
        assert [answer.status_code for answer in again] == expected
        await verify(system, promised=journeys.promised)


async def _all_at_once(
    system: System, path: str, bodies: list[Any], *, key: str
) -> list[httpx.Response]:
    """Send all bodies with one key, spread over instances with many connections."""
    settings = SERVICES["billing"].settings.load(
        {**system.environment, "KONTOR_DATABASE_POOL_SIZE": str(_CONNECTIONS)}
    )
    apis = [SERVICES["billing"].build_api(settings) for _ in range(_INSTANCES)]
    clients = [
        httpx.AsyncClient(
            transport=httpx.ASGITransport(api, raise_app_exceptions=False),
            base_url="http://kontor/v1",
            headers=issuer().headers(),
        )
        for api in apis
    ]
    try:
        return await asyncio.gather(
            *(
                clients[position % _INSTANCES].post(
                    path, json=body, headers={"idempotency-key": key}, timeout=60
                )
                for position, body in enumerate(bodies)
            )
        )
    finally:
        for client, api in zip(clients, apis, strict=True):
            await client.aclose()
            await api.state.database.close()


def _one_effect(answers: list[httpx.Response]) -> None:
    """One was worked on; the others are told so, or get its answer."""
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {201, 409}, f"{statuses}: {answers[-1].text}"
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["type"] == "urn:kontor:problem:request_in_flight"
    done = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.content for answer in done}) == 1, "different answers for one key"
    first = [answer for answer in done if "idempotent-replayed" not in answer.headers]
    assert len(first) == 1, f"{len(first)} requests were worked on"
