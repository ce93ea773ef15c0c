"""Coming in and going out: passwords, codes, cookies, forged forms, and every route behind them."""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from pyotp import TOTP

from deploy.contracts import build_apps
from deploy.gateway.app import Gateway
from deploy.services import CONSOLE, SERVICES
from services.console.desk import _posted, _signed_in, _visited
from services.console.settings import ConsoleSettings
from shared.service import main
from tests.console.forms import Person
from tests.console.house import PASSWORD, House
from tests.tokens import issuer


def all_routes() -> list[tuple[str, APIRoute]]:
    found = (
        c.original_route for c in iter_route_contexts(CONSOLE.build_api(ConsoleSettings()).routes)
    )
    routes = [route for route in found if isinstance(route, APIRoute)]
    return [(method, route) for route in routes for method in sorted(route.methods or ())]


ROUTES = all_routes()
# Who comes here has no session yet, or needs none.
OPEN = {
    ("GET", "/static/{digest}/{name}"),
    ("GET", "/favicon.ico"),
    ("GET", "/console/health"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/password"),
    ("POST", "/password"),
    ("GET", "/forgotten"),
    ("POST", "/forgotten"),
}
CLOSED = [(m, r.path) for m, r in ROUTES if (m, r.path) not in OPEN]
_SAMPLES = {
    "kind": "dead",
    "act": "replay",
    "service": "billing",
    "failure_id": "1",
    "tab": "plans",
}
_VERBS = {"/customers/{customer_id}/ask/{verb}": "freeze", "/clients/{client_id}/{verb}": "rotate"}


def sample(path: str) -> str:
    samples = {**_SAMPLES, "verb": _VERBS.get(path, "deactivate")}
    return re.sub(r"\{(\w+)\}", lambda found: samples.get(found[1], str(uuid4())), path)


def depends_on(route: APIRoute) -> set[Any]:
    return {dependency.call for dependency in route.dependant.dependencies}


# -- every route -----------------------------------------------------------------------------------


def test_every_route_but_the_listed_ones_asks_who_is_signed_in() -> None:
    without = {(m, r.path) for m, r in ROUTES if _signed_in not in depends_on(r)}

    assert without == OPEN


def test_every_post_asks_for_the_proof_of_its_form() -> None:
    posts = [(m, r) for m, r in ROUTES if m != "GET"]

    assert posts
    for method, route in posts:
        proof = _visited if (method, route.path) in OPEN else _posted
        assert proof in depends_on(route), route.path


@pytest.mark.parametrize(("method", "path"), CLOSED)
async def test_a_stranger_is_led_to_the_door_and_nobody_is_asked(
    house: House, method: str, path: str
) -> None:
    stranger = await house.browser()
    asked = len(house.doorman.asked)

    answer = await stranger.client.request(method, sample(path), follow_redirects=False)

    assert answer.status_code in {303, 403}
    assert method == "POST" or answer.headers["location"].startswith("/sign-in")
    assert len(house.doorman.asked) == asked


@pytest.mark.parametrize("path", [path for method, path in CLOSED if method == "POST"])
async def test_a_form_without_its_proof_or_with_anothers_changes_nothing(
    house: House, path: str
) -> None:
    admin, viewer = await house.person("admin"), await house.person("viewer")
    theirs = (await viewer.open("/account")).form("/sign-out").filled({})
    await admin.open("/account")
    before = len([r for r in house.doorman.asked if r.method != "GET"])

    for fields in ([], [("csrf", "")], theirs, [("csrf", "ä" * 64)]):
        page = await admin.send_fields("post", sample(path), fields)
        assert page.status == 403, path
        assert "out of date" in page.text

    assert len([r for r in house.doorman.asked if r.method != "GET"]) == before


async def test_a_sign_in_cannot_be_forged_either(house: House) -> None:
    operator, other = await house.new_operator(), await house.browser()
    page = await other.open("/sign-in")
    fields = page.form("/sign-in").filled({"email": operator.email, "password": PASSWORD})

    answer = await (await house.browser()).send_fields("post", "/sign-in", fields)

    assert answer.status == 403


# -- signing in and out ----------------------------------------------------------------------------


async def test_a_wrong_password_says_so_and_keeps_the_email(house: House) -> None:
    operator, person = await house.new_operator(), await house.browser()
    page = await person.open("/sign-in")

    refused = await person.send(page, "/sign-in", email=operator.email, password="wrong horse")

    assert refused.status == 401
    assert "E-mail, password or code is wrong." in refused.text
    assert ("email", operator.email) in refused.form("/sign-in").fields
    assert "wrong horse" not in refused.html


async def test_who_was_on_the_way_somewhere_gets_there(house: House) -> None:
    operator, person = await house.new_operator(), await house.browser()
    door = await person.open("/invoices?after=")
    assert door.path == "/sign-in"

    there = await person.send(door, "/sign-in", email=operator.email, password=PASSWORD)

    assert there.path == "/invoices"


async def test_nobody_is_sent_to_another_site_after_signing_in(house: House) -> None:
    operator, person = await house.new_operator(), await house.browser()
    door = await person.open("/sign-in", next="//evil.example/")

    there = await person.send(
        door, "/sign-in", email=operator.email, password=PASSWORD, next="https://evil.example/"
    )

    assert there.url == "http://console/customers"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(
    house: House, scheme: str
) -> None:
    operator, person = await house.new_operator(), await house.browser(scheme)
    page = await person.open("/sign-in")
    form = page.form("/sign-in").filled({"email": operator.email, "password": PASSWORD})
    answer = await person.client.post(
        "/sign-in",
        content=urlencode(form),
        headers={"content-type": "application/x-www-form-urlencoded"},
        follow_redirects=False,
    )
    (cookie,) = [c for c in answer.headers.get_list("set-cookie") if "kontor_session" in c]

    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert ("Secure" in cookie and cookie.startswith("__Host-")) == (scheme == "https")
    assert ("strict-transport-security" in answer.headers) == (scheme == "https")


async def test_signing_out_ends_the_session_and_not_only_the_cookie(house: House) -> None:
    person = await house.sign_in(await house.new_operator())
    kept = dict(person.client.cookies)

    out = await person.send(await person.open("/customers"), "/sign-out")

    assert "You are signed out." in out.text
    thief = await house.browser()
    thief.client.cookies.update(kept)
    assert (await thief.open("/customers")).path == "/sign-in"


async def test_a_session_is_swapped_once_for_many_pages(house: House) -> None:
    person = await house.sign_in(await house.new_operator())
    before = len(house.doorman.asked)

    for _ in range(3):
        await person.open("/customers")

    asked = [request.url.path for request in house.doorman.asked[before:]]
    assert asked == ["/v1/customers"] * 3


async def test_a_token_that_counts_no_longer_is_swapped_again(house: House) -> None:
    person = await house.sign_in(await house.new_operator())
    house.doorman.token = issuer().token(exp=datetime(2020, 1, 1, tzinfo=UTC))
    house.app.state.sessions.__init__()

    stopped = await person.open("/customers")
    house.doorman.token = ""
    again = await person.open("/customers")

    assert (stopped.status, again.status) == (503, 200)
    assert "Please load this page again." in stopped.text


async def test_attempts_are_counted_by_the_browsers_address_and_not_the_consoles(
    house: House,
) -> None:
    person = await house.browser()
    page = await person.open("/sign-in")
    await person.send(page, "/sign-in", email="nobody@seller.example", password="wrong")

    (attempt,) = [r for r in house.doorman.asked if r.url.path == "/v1/sessions"][-1:]
    assert attempt.headers["x-forwarded-for"] == "127.0.0.1"


async def test_a_code_is_asked_for_once_an_app_is_set_up_and_a_recovery_code_does(
    house: House,
) -> None:
    operator = await house.new_operator()
    person = await house.sign_in(operator)
    begun = await person.send(await person.open("/account"), "/totp", current_password=PASSWORD)
    secret = dict(begun.form("/totp/confirm").fields)["secret"]
    assert "<svg" in begun.html
    wrong = await person.send(begun, "/totp/confirm", code="000000")
    assert wrong.status in {409, 422}
    assert dict(wrong.form("/totp/confirm").fields)["secret"] == secret
    codes = await person.send(wrong, "/totp/confirm", code=TOTP(secret).now())
    (first, *_) = re.findall(r"<code>([^<]+)</code>", codes.html)

    again = await house.browser()
    page = await again.open("/sign-in")
    asked = await again.send(page, "/sign-in", email=operator.email, password=PASSWORD)
    assert asked.path == "/sign-in"
    assert "Code of the authenticator app" in asked.text
    refused = await again.send(asked, "/sign-in", code="123456")
    assert refused.status == 401
    done = await again.send(refused, "/sign-in", code=first)
    assert done.path == "/customers"

    off = await again.send(await again.open("/account"), "/remove", current_password=PASSWORD)
    assert "Signing in asks for no code any more." in off.text


async def test_a_new_password_ends_all_sessions(house: House) -> None:
    operator = await house.new_operator()
    person = await house.sign_in(operator)
    new = "a much better staple, horse"
    account = await person.open("/account")

    refused = await person.send(account, "/password", current_password="no", new_password=new)
    assert refused.status in {401, 403, 409, 422}
    done = await person.send(account, "/password", current_password=PASSWORD, new_password=new)

    assert done.path == "/sign-in"
    assert "The password has been changed." in done.text


async def test_the_token_of_a_mailed_link_chooses_a_password(house: House) -> None:
    person = await house.browser()
    page = await person.open("/password")

    refused = await person.send(
        page, "/password", token="x#unknown", new_password="long enough, is it"
    )

    assert refused.status in {404, 409, 422}
    assert dict(refused.form("/password").fields)["token"] == "unknown"


async def test_who_forgot_a_password_is_told_the_same_whoever_it_is(house: House) -> None:
    person = await house.browser()
    page = await person.open("/forgotten")

    done = await person.send(page, "/forgotten", email="nobody@seller.example")

    assert "If somebody has this e-mail, a link is on its way." in done.text


# -- what surrounds a page -------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/sign-in", "/customers", "/nothing-here", "/customers/nonsense"])
async def test_no_page_lets_in_what_is_not_its_own(house: House, admin: Person, path: str) -> None:
    page = await admin.open(path)

    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"\son\w+=|style=|<style|javascript:", page.html)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page.html)


async def test_styles_and_scripts_are_fetched_once(admin: Person) -> None:
    page = await admin.open("/customers")
    found = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.html)

    assert len(found) == 4
    for path in found:
        answer = await admin.client.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    old = await admin.client.get("/static/0000000000000000/console.css")
    assert old.status_code == 404


async def test_an_icon_is_found_where_browsers_look_for_it(admin: Person) -> None:
    answer = await admin.client.get("/favicon.ico")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/svg+xml"


async def test_a_form_that_is_too_long_is_not_read(admin: Person) -> None:
    page = await admin.send_fields("post", "/customers/new", [("csrf", "x" * 300_000)])

    assert page.status == 413


# -- beside the APIs -------------------------------------------------------------------------------


async def test_programs_and_people_get_each_their_own_answer_at_one_address(house: House) -> None:
    gateway = Gateway(build_apps(), house.app)
    transport = httpx.ASGITransport(gateway, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://kontor") as client:
        for path in ("/v1/nothing", "/v1/customers/x/y/z", "/oauth/nothing", "/metrics"):
            answer = await client.get(path)
            assert answer.status_code == 404, path
            assert answer.headers["content-type"] == "application/problem+json", path
        assert (await client.get("/v1/invoices")).status_code == 401
        assert (await client.get("/docs")).status_code == 200
        for path, status in (("/", 303), ("/sign-in", 200), ("/v1x", 404), ("/nothing", 404)):
            answer = await client.get(path)
            assert answer.status_code == status, path
            assert "content-security-policy" in answer.headers, path


def test_a_service_without_data_has_one_role() -> None:
    assert CONSOLE.roles == CONSOLE.default_roles == ("api",)
    assert set(SERVICES["billing"].roles) == {
        *("api", "migrate", "rebuild", "worker", "relay", "renderer")
    }
    with pytest.raises(SystemExit, match="unknown role worker; there are api"):
        main(CONSOLE, ["worker"])
