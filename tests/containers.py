"""`python -m tests.containers`: the main job in containers, one worker killed on the way.

Builds the image, starts `deploy/compose.yaml` with three subscriptions workers, books and pays for
some customers through the gateway, kills a worker (SIGKILL) half way, and waits until every paid
plan is active and every invoice mailed once. Needs `docker compose`; takes everything down again.
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from deploy.local.seed import api, load, seed

_ROOT = Path(__file__).parent.parent
_CUSTOMERS = 40
_LIMIT_S = 90.0
_PLAN = next(plan["id"] for plan in load("catalogue")["plans"] if plan["name"] == "Team")


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


_ENVIRONMENT = {
    "KONTOR_DB_PASSWORD": "throwaway",
    "KONTOR_PORT": _free_port(),
    "KONTOR_MAIL_PORT": _free_port(),
    "COMPOSE_PROJECT_NAME": f"kontor-test-{os.getpid()}",
}


def _compose(*arguments: str) -> str:
    command = ["docker", "compose", "-f", "deploy/compose.yaml", *arguments]
    done = subprocess.run(
        command,
        cwd=_ROOT,
        env={**os.environ, **_ENVIRONMENT},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


async def _until(what: str, look: Any) -> Any:
    deadline = time.monotonic() + _LIMIT_S
    while (found := await look()) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        await asyncio.sleep(0.1)
    return found


async def _book(client: httpx.AsyncClient, number: int) -> tuple[str, dict[str, Any]]:
    body = {**load("customers")[0], "company_name": f"Musterhotel {number} AG"}
    made = (await client.post("/customers", json=body)).raise_for_status().json()
    path = f"/customers/{made['id']}/plan-actions"
    action = {"action": "make_invoice", "plan_id": _PLAN, "cycle": "monthly"}

    async def booked() -> Any:
        answer = await client.post(path, json=action)
        return None if answer.status_code == httpx.codes.NOT_FOUND else answer.raise_for_status()

    request_id = (await _until("the customer's copy", booked)).json()["request_id"]

    async def invoiced() -> Any:
        page = (await client.get("/invoices", params={"customer_id": made["id"]})).json()
        return next((i for i in page["items"] if i["request_id"] == request_id), None)

    return made["id"], await _until("the invoice", invoiced)


async def _play(url: str, mail_url: str, token: str) -> None:
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{url}/v1", headers=headers, timeout=30) as client:
        booked = await asyncio.gather(*(_book(client, n) for n in range(_CUSTOMERS)))
        print(f"{len(booked)} invoices open")  # noqa: T201 - progress for whoever runs this
        for index, (_, invoice) in enumerate(booked):
            if index == _CUSTOMERS // 2:
                victim = _compose("ps", "--quiet", "subscriptions-worker").split()[0]
                killing = await asyncio.create_subprocess_exec("docker", "kill", victim)
                await killing.wait()
                print(f"killed worker {victim[:12]}")  # noqa: T201
            answer = await client.post(
                f"/invoices/{invoice['id']}/payments", json={"amount": invoice["total"]}
            )
            answer.raise_for_status()
        started = time.monotonic()
        for customer_id, _ in booked:

            async def active(customer_id: str = customer_id) -> Any:
                found = (await client.get(f"/customers/{customer_id}/entitlements")).json()
                return found["plan"]

            await _until("every plan to be active", active)
        print(f"all active {time.monotonic() - started:.1f} s after the last payment")  # noqa: T201
        numbers = {invoice["number"] for _, invoice in booked}

        async def mailed() -> Any:
            page = (await client.get(f"{mail_url}/api/v1/messages", params={"limit": 500})).json()
            subjects = Counter(
                number
                for mail in page["messages"]
                for number in numbers
                if number in mail["Subject"]
            )
            return subjects if len(subjects) == len(numbers) else None

        subjects = await _until("every mail", mailed)
        if set(subjects.values()) != {1}:
            raise AssertionError(f"mailed more than once: {subjects}")
        print(f"{len(subjects)} mails, each once")  # noqa: T201


def main() -> None:
    url = f"http://127.0.0.1:{_ENVIRONMENT['KONTOR_PORT']}"
    try:
        _compose("build", "customers-migrate")
        _compose("up", "--detach", "--wait", "--scale", "subscriptions-worker=3")
        token = _compose("exec", "--no-TTY", "identity-api", "kontor", "token").strip()
        with api(url, token) as client:
            seed(client)
        asyncio.run(_play(url, f"http://127.0.0.1:{_ENVIRONMENT['KONTOR_MAIL_PORT']}", token))
    except BaseException:
        sys.stderr.write(_compose("logs", "--tail", "40"))
        raise
    finally:
        _compose("down", "--volumes", "--timeout", "20")


if __name__ == "__main__":
    main()
