"""The catalogue's pages with plain forms, and a file that is seen before it is saved."""

import re
from typing import Any
from uuid import uuid4

import pytest
import yaml

from tests.builders import MODULES, PLANS
from tests.console.forms import Page, Person
from tests.console.house import House
from tests.system import System

TEAM = f"/catalogue/products/plans/{PLANS['Team']}"


async def new_plan(system: System, **different: Any) -> Any:
    name = f"Plan {uuid4().hex[:8]}"
    return await system.post("/plans", {"name": name, "group": "plans", **different})


def path_of(product: Any) -> str:
    return f"/catalogue/products/{product['kind']}s/{product['id']}"


async def test_the_list_shows_groups_with_plans_modules_and_features(admin: Person) -> None:
    page = await admin.open("/catalogue")

    for words in ("Enterprise Switzerland", "Team", "CHF 49.00 monthly", "Analytics", "API access"):
        assert words in page.text
    assert page.link("Team") == TEAM


async def test_a_plan_is_added_with_texts_features_modules_and_prices(
    system: System, admin: Person
) -> None:
    form = await admin.open("/catalogue/products/plans/new")
    group = (await system.get("/plan-groups"))["items"][0]["id"]
    name = f"Added {uuid4().hex[:8]}"
    typed: dict[str, Any] = {
        "name": name,
        "group": group,
        "max_users": "12",
        "recommended": "on",
        "name.de": "Hinzugefügt",
        "language.new": "es",
        "description.new": "Todo.",
        "feature.api": "on",
        "feature.archive_years": "value",
        "value.archive_years": "7",
        f"include.{MODULES['Archive']}": "on",
        "price.monthly.CHF": "1'200.50",
        "basis.CHF": "gross",
        "currency.new": "usd",
        "price.yearly.new": "99",
    }
    page = await admin.send(form, "/plans/new", **typed)

    assert "Saved." in page.text
    plan = await system.get(f"/plans/{page.path.rpartition('/')[2]}")
    assert (plan["name"], plan["max_users"], plan["recommended"]) == (name, 12, True)
    assert plan["translations"] == {
        "de": {"name": "Hinzugefügt"},
        "es": {"description": "Todo."},
    }
    assert plan["features"] == {"api": True, "archive_years": "7"}
    assert plan["included_modules"] == [MODULES["Archive"]]
    assert [(p["currency"], p["cycle"], p["unit_price"], p["basis"]) for p in plan["prices"]] == [
        ("CHF", "monthly", "1200.50", "gross"),
        ("USD", "yearly", "99.00", "net"),
    ]
    await system.post(f"/plans/{plan['id']}/archive", expect=200)


async def test_saving_without_a_change_changes_nothing(system: System, admin: Person) -> None:
    for kind, product in (("plans", PLANS["Business"]), ("modules", MODULES["Onboarding"])):
        before = await system.get(f"/{kind}/{product}")
        page = await admin.open(f"/catalogue/products/{kind}/{product}")
        done = await admin.send(page, product)
        assert "Saved." in done.text
        assert await system.get(f"/{kind}/{product}") == before


async def test_only_what_was_changed_is_sent(system: System, admin: Person) -> None:
    price = {"currency": "CHF", "cycle": "monthly", "unit_price": "10.00"}
    plan = await new_plan(
        system, features={"api": True, "reports": False}, prices=[price], description="Words"
    )
    page = await admin.open(path_of(plan))
    await admin.send(page, plan["id"], **{"price.monthly.CHF": "", "feature.reports": ""})

    changed = await system.get(f"/plans/{plan['id']}")
    assert (changed["description"], changed["features"]) == ("Words", {"api": True})
    assert [(p["version"], p["unit_price"]) for p in changed["prices"]] == [(2, None)]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("name", ""),
        ("handle", "Not a key"),
        ("handle", "team"),
        ("max_users", "many"),
        ("trial_days", "-1"),
        ("price.monthly.CHF", "cheap"),
        ("price.yearly.EUR", "-5"),
        ("vat.CHF", ""),
        ("language.new", "spanish"),
        ("name.de", "x" * 101),
        ("value.api", "x" * 201),
    ],
)
async def test_what_is_wrong_is_told_at_its_field_and_nothing_typed_is_lost(
    system: System, admin: Person, field: str, text: str
) -> None:
    price = {"currency": "CHF", "cycle": "monthly", "unit_price": "10.00"}
    plan = await new_plan(system, prices=[price])
    page = await admin.open(path_of(plan))
    typed = {field: text, "description": "Typed before", "feature.api": "value"}
    if field == "language.new":
        typed["name.new"] = "Nombre"
    refused = await admin.send(page, plan["id"], **typed)

    at = {"value.api": "feature.api"}.get(field, field)
    assert refused.status == 422, refused.text
    assert f'aria-describedby="{at}-about"' in refused.html
    assert f'id="{at}" name="{at}"' in refused.html
    (wrong,) = [p for p in refused.html.split('<div class="field')[1:] if p.startswith(" wrong")]
    assert f'for="{at}"' in wrong
    assert ("description", "Typed before") in refused.form(plan["id"]).fields
    assert await system.get(f"/plans/{plan['id']}") == plan


async def test_two_who_edit_a_plan_at_once_lose_nothing(system: System, admin: Person) -> None:
    plan = await new_plan(system, features={"api": True})
    page = await admin.open(path_of(plan))
    body = {"max_users": 3, "features": {"api": False}}
    assert (await system.api.patch(f"/plans/{plan['id']}", json=body)).is_success

    late = await admin.send(page, plan["id"], description="Mine", **{"feature.api": "on"})
    assert late.status == 412
    assert "Somebody else has saved meanwhile." in late.text
    fields = dict(late.form(plan["id"]).fields)
    assert (fields["max_users"], fields["description"]) == ("3", "Mine")
    done = await admin.send(late, plan["id"])
    assert "Saved." in done.text
    saved = await system.get(f"/plans/{plan['id']}")
    assert (saved["max_users"], saved["description"]) == (3, "Mine")


async def test_a_module_is_archived_offered_again_and_deleted(
    system: System, admin: Person
) -> None:
    module = await system.post("/modules", {"name": f"Module {uuid4().hex[:8]}"})
    page = await admin.open(path_of(module))
    archived = await admin.send(page, "/archive")
    assert "Nobody can book it any more" in archived.text
    again = await admin.send(archived, "/unarchive")
    assert "It can be booked again." in again.text

    question = await admin.open(f"/catalogue/delete/modules/{module['id']}")
    gone = await admin.send(question, module["id"])
    assert (gone.path, "Deleted." in gone.text) == ("/catalogue", True)
    assert (await system.api.get(f"/modules/{module['id']}")).status_code == 404


async def test_what_is_in_use_is_not_deleted_and_it_says_why(admin: Person) -> None:
    question = await admin.open(f"/catalogue/delete/modules/{MODULES['Archive']}")
    refused = await admin.send(question, MODULES["Archive"])

    assert refused.status == 409
    assert re.search("archive is part of .*Business", refused.text)


async def test_groups_and_features_are_added_edited_and_deleted(
    system: System, admin: Person
) -> None:
    key = f"f{uuid4().hex[:8]}"
    form = await admin.open("/catalogue/parts/features/new")
    await admin.send(form, "/features/new", handle=key, label="Shiny")
    page = await admin.open(f"/catalogue/parts/features/{key}")
    await admin.send(page, key, label="Shinier")
    assert (await system.get(f"/features/{key}"))["label"] == "Shinier"
    assert (
        "Deleted."
        in (await admin.send(await admin.open(f"/catalogue/delete/features/{key}"), key)).text
    )

    form = await admin.open("/catalogue/parts/groups/new")
    wrong = await admin.send(
        form, "/groups/new", name="Far away", handle="Bad key", priority="first"
    )
    assert wrong.html.count('aria-invalid="true"') == 2
    added = await admin.send(wrong, "/groups/new", handle=key, country="AT", priority="3")
    assert "Saved." in added.text, added.text
    group = next(g for g in (await system.get("/plan-groups"))["items"] if g["key"] == key)
    assert (group["name"], group["country"], group["priority"]) == ("Far away", "AT", 3)
    page = await admin.open(f"/catalogue/parts/groups/{group['id']}")
    await admin.send(page, group["id"], country="")
    assert (await system.get(f"/plan-groups/{group['id']}"))["country"] is None
    assert (await system.api.delete(f"/plan-groups/{group['id']}")).status_code == 204


# -- files -------------------------------------------------------------------------------------


async def uploaded(admin: Person, text: str, **more: str) -> Page:
    """As a browser sends a chosen file."""
    fields = dict((await admin.open("/catalogue/upload")).form("/upload").fields)
    fields = {k: v for k, v in fields.items() if k not in ("file", "text")}
    file = {"file": ("catalogue.yaml", text.encode(), "application/yaml")}
    return Page(await admin.client.post("/catalogue/upload", data={**fields, **more}, files=file))


async def test_a_file_is_shown_before_it_is_saved(system: System, admin: Person) -> None:
    downloaded = await admin.client.get("/catalogue/file")
    assert 'filename="catalogue.yaml"' in downloaded.headers["content-disposition"]
    key = f"f-{uuid4().hex[:8]}"
    document = yaml.safe_load(downloaded.text)
    document["features"].append({"key": key, "label": "Überall"})
    document["plans"] = [p for p in document["plans"] if p["key"] == "team"]
    document["plans"][0]["prices"][0]["unit_price"] = "47.00"
    text = yaml.safe_dump(document, allow_unicode=True)

    shown = await uploaded(admin, text)
    assert "label: Überall" in shown.text
    assert "CHF monthly: 49.00 47.00" in shown.text
    assert "Not in the file: Starter" in shown.text
    assert (await system.api.get(f"/features/{key}")).status_code == 404

    saved = await admin.send(shown, "/upload")
    assert "The catalogue has been saved." in saved.text
    assert (await system.get(f"/features/{key}"))["label"] == "Überall"
    again = await uploaded(admin, text)
    assert "Nothing: the catalogue is as the file says." in again.text
    await uploaded_and_saved(admin, downloaded.text)


async def uploaded_and_saved(admin: Person, text: str) -> None:
    await admin.send(await uploaded(admin, text), "/upload")


async def test_what_changed_since_it_was_shown_is_shown_again(
    system: System, admin: Person
) -> None:
    key = f"f-{uuid4().hex[:8]}"
    shown = await uploaded(admin, f"features: [{{key: {key}, label: Mine}}]")
    await system.post("/features", {"key": key, "label": "Theirs"})

    again = await admin.send(shown, "/upload")
    assert (again.status, "Somebody else has saved meanwhile." in again.text) == (409, True)
    assert "label: Theirs Mine" in again.text
    assert "saved" in (await admin.send(again, "/upload")).text
    assert (await system.get(f"/features/{key}"))["label"] == "Mine"


async def test_a_bad_file_is_told_by_its_lines(admin: Person) -> None:
    page = await uploaded(admin, "modules:\n- {key: a, name: A, seats: 1}\n- {key: b}\n")

    assert page.status == 422
    assert "modules[0].seats: Extra inputs are not permitted (line 2)" in page.text
    assert "modules[1].name: Field required (line 3)" in page.text


async def test_a_file_of_another_kind_or_too_large_is_refused(admin: Person) -> None:
    csrf = dict((await admin.open("/catalogue/upload")).form("/upload").fields)["csrf"]
    for content, status in ((b"\xff\xfe\x00", 400), (b"x" * 2_000_000, 413)):
        answer = await admin.client.post(
            "/catalogue/upload", data={"csrf": csrf}, files={"file": ("a.yaml", content)}
        )
        assert answer.status_code == status
    forged = await admin.client.post(
        "/catalogue/upload", data={"csrf": "guess"}, files={"file": ("a.yaml", b"plans: []")}
    )
    assert forged.status_code == 403


async def test_who_may_only_read_sees_the_catalogue_and_cannot_change_it(house: House) -> None:
    viewer = await house.person("viewer")
    listed = await viewer.open("/catalogue")
    shown = await viewer.open(TEAM)
    upload = await viewer.open("/catalogue/upload")
    added = await viewer.open("/catalogue/products/plans/new")

    assert "Upload" not in listed.text
    assert "Save" not in shown.text
    assert shown.form(PLANS["Team"]).fields[0][0] == "csrf"
    assert (upload.status, added.status) == (403, 403)
    csrf = dict(shown.form(PLANS["Team"]).fields)["csrf"]
    forged = await viewer.send_fields("post", f"{TEAM}/archive", [("csrf", csrf)])
    assert forged.status == 403
