"""The seller's settings by plain forms."""

from io import BytesIO
from typing import Any

from PIL import Image

from tests.console.forms import Page, Person
from tests.console.house import House


def fields(page: Page) -> dict[str, str]:
    return dict(page.form("/settings").fields)


async def seller(house: House) -> Any:
    return await house.system.get("/settings/seller")


async def test_settings_are_shown_and_saved(house: House, admin: Person) -> None:
    before = await seller(house)
    page = await admin.open("/settings")
    assert fields(page)["company_name"] == before["company_name"]

    saved = await admin.send(page, "/settings", act="save", footer="Thank you", due_days="20")

    assert "Saved." in saved.text
    now = await seller(house)
    assert (now["footer"], now["due_days"]) == ("Thank you", 20)
    same = {"version", "footer", "due_days"}
    assert {k: v for k, v in now.items() if k not in same} == {
        k: v for k, v in before.items() if k not in same
    }


async def test_rates_are_added_and_removed_and_end_with_their_last_day(
    house: House, admin: Person
) -> None:
    page = await admin.open("/settings")
    count = len((await seller(house))["vat_rates"])
    row = f"rate.{count}"

    page = await admin.send(page, "/settings", act="add")
    typed = {"country": "LI", "category": "special", "percent": "3.8"}
    days = {"valid_from": "2026-01-01", "last_day": "2026-12-31"}
    given = {f"{row}.{name}": text for name, text in {**typed, **days}.items()}
    saved = await admin.send(page, "/settings", act="save", **given)
    assert (await seller(house))["vat_rates"][-1] == {
        **typed,
        "valid_from": "2026-01-01",
        "valid_to": "2027-01-01",
    }
    assert fields(saved)[f"{row}.last_day"] == "2026-12-31"
    page = await admin.send(saved, "/settings", act=f"remove:{count}")
    await admin.send(page, "/settings", act="save")

    assert len((await seller(house))["vat_rates"]) == count


async def test_what_is_wrong_is_said_at_its_field_and_changes_nothing(
    house: House, admin: Person
) -> None:
    before = await seller(house)
    page = await admin.open("/settings")
    wrong = {"email": "nobody", "rounding": "CHF", "rate.0.percent": "a lot"}

    for name, text in wrong.items():
        refused = await admin.send(page, "/settings", act="save", **{name: text})
        assert refused.status == 422, name
        assert f'aria-describedby="{name}-about"' in refused.html, name
        assert fields(refused)[name] == text
    assert await seller(house) == before


async def test_of_two_who_edit_at_once_the_second_is_told(house: House, admin: Person) -> None:
    other = await house.sign_in(await house.new_operator("admin"))
    mine, theirs = await admin.open("/settings"), await other.open("/settings")
    await other.send(theirs, "/settings", act="save", footer="Theirs")

    refused = await admin.send(mine, "/settings", act="save", footer="Mine")
    assert refused.status == 412
    assert fields(refused)["footer"] == "Mine"
    assert (await seller(house))["footer"] == "Theirs"
    await admin.send(refused, "/settings", act="save")

    assert (await seller(house))["footer"] == "Mine"


async def test_who_may_not_change_them_only_reads(house: House) -> None:
    viewer = await house.person("viewer")
    page = await viewer.open("/settings")
    assert "Save" not in page.text

    proof = dict(page.form("/sign-out").fields)["csrf"]
    refused = await viewer.send_fields("post", "/settings", [("csrf", proof), ("act", "save")])

    assert refused.status == 403


async def send_logo(admin: Person, content: bytes, kind: str = "image/png") -> Page:
    form = (await admin.open("/settings")).form("/logo")
    files = {"logo": ("logo.png", content, kind)}
    return Page(await admin.client.post(form.action, data=dict(form.fields), files=files))


async def test_a_logo_is_added_shown_and_removed(house: House, admin: Person) -> None:
    picture = BytesIO()
    Image.effect_noise((120, 40), 80).save(picture, "PNG")

    added = await send_logo(admin, picture.getvalue())
    assert "Saved." in added.text
    shown = await admin.client.get("/settings/logo")
    assert shown.headers["content-type"] == "image/png"
    assert Image.open(BytesIO(shown.content)).size == (120, 40)
    assert (await seller(house))["logo_sha256"]
    for wrong in (b"GIF89a", b"", b"\x89PNG\r\n\x1a\nx", b"\x00" * 300_000):
        refused = await send_logo(admin, wrong)
        assert refused.status in {413, 422}, wrong[:10]
        assert 'id="logo-about"' in refused.html
    await admin.send(added, "/settings/logo", act="remove")

    assert (await seller(house))["logo_sha256"] is None
    assert (await admin.open("/settings/logo")).status == 404


async def test_mails_that_go_out_by_themselves_are_switched(house: House, admin: Person) -> None:
    page = await admin.open("/settings")
    kept = [pair for pair in page.form("/mails").fields if pair[0] != "mail.cancellation"]

    done = await admin.send_fields("post", "/settings/mails", kept)

    switches = await house.system.get("/settings/mails")
    assert switches == {"invoice": True, "credit_note": True, "cancellation": False}
    await admin.send(done, "/mails", **{"mail.cancellation": "on"})
    assert (await house.system.get("/settings/mails"))["cancellation"] is True
