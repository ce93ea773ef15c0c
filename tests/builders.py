"""Valid things, with whatever a test wants different."""

from typing import Any

from deploy.local.seed import load

__all__ = ["MODULES", "PLANS", "customer"]

PLANS: dict[str, str] = {plan["name"]: plan["id"] for plan in load("catalogue")["plans"]}
MODULES: dict[str, str] = {module["name"]: module["id"] for module in load("catalogue")["modules"]}


def customer(**different: Any) -> dict[str, Any]:
    """A body for `POST /v1/customers`."""
    return {
        "company_name": "Musterhotel AG",
        "contact_name": "Vera Beispiel",
        "address_lines": ["Seestrasse 12"],
        "postcode": "3600",
        "city": "Thun",
        "country": "CH",
        "email": "vera@musterhotel.example",
        **different,
    }
