"""What has happened to a customer, from all services: audit logs and lives of subscriptions."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.console.desk import Desk
from services.console.gateways import Panel, together
from services.console.words import audit_label, changes, day, event_label, span

__all__ = ["AUDITED", "actors", "find_lives", "merged"]

AUDITED = ("customers", "subscriptions", "billing", "notifier")
_SUBSCRIPTIONS, _ENTRIES = 20, 50


async def find_lives(desk: Desk, customer_id: UUID) -> list[dict[str, Any]]:
    """The entries of the newest subscriptions, each with its `subscription`.

    Raises:
        Away, Refused: the subscriptions service does not say.
    """
    path = "/subscriptions"
    found = await desk.subscriptions.get(path, customer_id=customer_id, limit=_SUBSCRIPTIONS)
    lives = {s["id"]: s for s in found["items"]}
    panels = await together(
        **{id_: desk.subscriptions.get(f"{path}/{id_}/history", limit=_ENTRIES) for id_ in lives}
    )
    return [
        {**entry, "subscription": lives[id_]}
        for id_, panel in panels.items()
        if panel.data
        for entry in panel.data["items"]
    ]


def merged(panels: Mapping[str, Panel]) -> list[dict[str, Any]]:
    """Newest first: `at`, `what`, `actor`, `reason` and `changes` of each.

    What the audit log of subscriptions says of a subscription, its life says better.
    """
    catalogue = panels["catalogue"].data or {"plans": [], "modules": []}
    names = {one["id"]: one["name"] for one in (*catalogue["plans"], *catalogue["modules"])}
    lives = panels["lives"].data or []
    acts = [_life(entry, names) for entry in lives]
    for service in AUDITED:
        panel = panels.get(f"audit_{service}")
        for act in panel.data["items"] if panel and panel.data else ():
            if not (lives and act["action"].startswith("subscription.")):
                told = {"what": audit_label(act["action"]), "reason": "", "changes": changes(act)}
                acts.append({"at": act["at"], "actor": act["actor"], **told})
    return sorted(acts, key=lambda act: str(act["at"]), reverse=True)


def _life(entry: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    after, before = entry["after"], entry["before"]
    name = names.get(after["product_id"], entry["subscription"]["kind"].capitalize())
    return {
        "at": entry["at"],
        "actor": entry["actor"],
        "what": f"{name}: {event_label(entry['event'])}",
        "reason": entry["reason"],
        "changes": changes(
            # What it is of is said already.
            {"before": _facts(before or {"product_id": after["product_id"]}, names)}
            | {"after": _facts(after, names)}
        ),
    }


def _facts(facts: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """What a person wants to know of a subscription, in their words."""
    found = {name: facts[name] for name in ("state", "origin", "cycle") if facts.get(name)}
    if facts.get("product_id") in names:
        found["product"] = names[facts["product_id"]]
    if period := facts.get("period"):
        found["period"] = span(period)
    if offer := facts.get("offer"):
        name = names.get(offer["product_id"], "another product")
        found["offer"] = f"{name}, {offer['cycle']}"
    if scheduled := facts.get("scheduled"):
        name = names.get(scheduled["product_id"], "another product")
        found["waits"] = f"{name} from {day(scheduled['effective_on'])}"
    return found


def actors(panels: Mapping[str, Panel]) -> dict[str, str]:
    """`operator:<id>` -> name, as far as identity tells."""
    return {
        f"{kind.removesuffix('s')}:{one['id']}": one["name"]
        for kind in ("operators", "clients")
        if (panel := panels.get(kind)) and panel.data
        for one in panel.data["items"]
    }
