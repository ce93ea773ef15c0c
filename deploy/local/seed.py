"""Demo data, put in through the public API. Doing it twice changes nothing."""

from importlib.resources import files
from typing import Any

import httpx
import yaml

__all__ = ["api", "load", "seed"]


def load(name: str) -> Any:
    return yaml.safe_load(_text(name))


def _text(name: str) -> str:
    return files("deploy.local").joinpath("demo", f"{name}.yaml").read_text("utf-8")


def api(url: str, token: str) -> httpx.Client:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"{url}/v1", headers=headers, timeout=30)


def seed(client: httpx.Client) -> list[dict[str, Any]]:
    """Save seller, catalogue and customers; returns the customers."""
    if client.get("/settings/seller").status_code == httpx.codes.NOT_FOUND:
        client.put("/settings/seller", json=load("seller")).raise_for_status()
    client.post(
        "/catalogue/import",
        params={"dry_run": False},
        content=_text("catalogue"),
        headers={"content-type": "application/yaml"},
    ).raise_for_status()
    customers = []
    for number, customer in enumerate(load("customers"), 1):
        answer = client.post(
            "/customers", json=customer, headers={"idempotency-key": f"demo-customer-{number}"}
        )
        customers.append(answer.raise_for_status().json())
    return customers
