"""Operators sign in, API clients get tokens, and neither in any other way than meant."""

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from pyotp import TOTP

from services.identity.domain.roles import ROLES, SCOPES
from services.identity.repository import clients as stored_keys
from services.identity.settings import IdentitySettings
from services.identity.use_cases import keys, operators
from services.identity.use_cases.tokens import issue_for_machine
from shared.auth import Gate
from shared.clock import new_id
from shared.database import Database, RolledBack
from shared.errors import Unauthenticated
from shared.tokens import PublishedKeys, Verifier
from tests.integration.steps import database_of, stored
from tests.system import System, eventually

PASSWORD = "correct horse battery staple"
WRONG = "wrong horse battery staple"


@pytest.fixture(scope="module")
def settings(system: System) -> IdentitySettings:
    return IdentitySettings.load(system.environment)


@pytest.fixture(scope="module")
async def database(system: System) -> AsyncIterator[Database]:
    async with database_of(system, "identity") as made:
        yield made


async def new_operator(database: Database, role: Any = "admin") -> Any:
    async with database.transaction() as tx:
        return await operators.create_operator(
            tx,
            f"{uuid4().hex[:10]}@seller.example",
            "Olga Beispiel",
            role,
            password=PASSWORD,
            granting=SCOPES,
            actor="test",
            now=datetime.now(UTC),
            new_id=new_id,
        )


async def sign_in(system: System, email: str, password: str = PASSWORD, code: str = "") -> Any:
    body = {"email": email, "password": password, "code": code}
    return await system.api.post("/sessions", json=body)


async def swap(system: System, session: str) -> httpx.Response:
    return await system.api.post("/sessions/token", headers={"kontor-session": session})


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def acting_as(system: System, operator: Any) -> httpx.AsyncClient:
    """A client with a token such as this operator has."""
    return await system.client(ROLES[operator.role], subject=f"operator:{operator.id}")


# -- API clients -----------------------------------------------------------------------------------


async def new_client(system: System, **different: Any) -> Any:
    body = {"name": "Shop", "scopes": ["invoices:read", "payments:write"], **different}
    return await system.post("/clients", body)


async def ask_token(system: System, form: Any, **headers: str) -> httpx.Response:
    stranger = await system.client_with({})
    return await stranger.post("http://kontor/oauth/token", data=form, headers=headers)


def form_of(client: Any, **different: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": client["id"],
        "client_secret": client["client_secret"],
        **different,
    }


def basic(client_id: str, secret: str) -> str:
    return "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode()


async def test_a_client_gets_a_token_that_services_accept(
    system: System, settings: IdentitySettings
) -> None:
    customer = str(uuid4())
    client = await new_client(system, customer_ids=[customer])
    in_form = await ask_token(system, form_of(client))
    in_header = await ask_token(
        system,
        {"grant_type": "client_credentials", "scope": "invoices:read"},
        authorization=basic(client["id"], client["client_secret"]),
    )

    assert (in_form.status_code, in_form.headers["cache-control"]) == (200, "no-store")
    assert in_form.json()["token_type"] == "Bearer"
    assert in_form.json()["expires_in"] == 900
    assert claims_of(in_form.json()["access_token"])["customer_ids"] == [customer]
    token = in_header.json()["access_token"]
    assert in_header.json()["scope"] == claims_of(token)["scope"] == "invoices:read"
    # Checked as every service does it, with the keys that identity publishes.
    published = await system.api.get("http://kontor/.well-known/jwks.json")
    gate = await gate_of(published.json(), settings)
    caller = await gate.caller(token, now=datetime.now(UTC))
    assert caller.subject == f"client:{client['id']}"
    assert caller.scopes == {"invoices:read"}


class Fixed(PublishedKeys):
    """Keys as they were published once."""

    def __init__(self, document: Any) -> None:
        from shared.tokens import _usable_keys  # noqa: PLC0415 - stands in for the network

        super().__init__("file:///nowhere")
        self._keys = _usable_keys(document)
        self._read_at = self._asked_at = float("inf")


async def gate_of(document: Any, settings: IdentitySettings) -> Gate:
    return Gate(Verifier(settings.auth_issuer, settings.auth_audience, Fixed(document)))


@pytest.mark.parametrize(
    ("different", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_id": str(uuid4())}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "\x00"}, 401, "invalid_client"),
        ({"scope": "operators:write"}, 400, "invalid_scope"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "unsupported_grant_type"),
    ],
)
async def test_what_is_not_right_gets_the_error_of_oauth(
    system: System, different: dict[str, str], status: int, error: str
) -> None:
    client = await new_client(system)

    answer = await ask_token(system, form_of(client, **different))

    assert (answer.status_code, answer.json()["error"]) == (status, error)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "application/x-www-form-urlencoded"),
        (b"grant_type=client_credentials&grant_type=x", "application/x-www-form-urlencoded"),
        (b"\xff=\xff", "application/x-www-form-urlencoded"),
        (b"a=1&" * 1000, "application/x-www-form-urlencoded"),
        (b"x" * 10_000, "application/x-www-form-urlencoded"),
        (b'{"grant_type": "client_credentials"}', "application/json"),
    ],
)
async def test_a_form_that_is_none_is_an_invalid_request(
    system: System, content: bytes, kind: str
) -> None:
    answer = await system.api.post(
        "http://kontor/oauth/token", content=content, headers={"content-type": kind}
    )

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("header", ["Basic", "Basic ?", "Basic /w==", "Bearer x", basic("a", "b")])
async def test_a_wrong_basic_header_is_asked_for_again(system: System, header: str) -> None:
    form = {"grant_type": "client_credentials"}
    answer = await ask_token(system, form, authorization=header)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic")


async def test_a_new_secret_replaces_the_old_one_and_switching_off_ends_both(
    system: System,
) -> None:
    client = await new_client(system)
    rotated = await system.post(f"/clients/{client['id']}/rotate-secret", expect=200)

    assert (await ask_token(system, form_of(client))).status_code == 401
    assert (await ask_token(system, form_of(rotated))).status_code == 200
    await system.post(f"/clients/{client['id']}/deactivate", expect=200)
    assert (await ask_token(system, form_of(rotated))).status_code == 401


async def test_a_secret_is_shown_once_and_stored_nowhere(system: System) -> None:
    client = (
        await system.api.post(
            "/clients",
            json={"name": "Shop", "scopes": ["users:read"]},
            headers={"idempotency-key": str(uuid4())},
        )
    ).json()
    listed = (await system.api.get("/clients")).text

    assert client["client_secret"] not in listed
    assert await kept_anywhere(system, client["client_secret"]) == []


async def kept_anywhere(system: System, secret: str) -> list[str]:
    """Tables of identity's database in which a text stands."""
    tables = await stored(
        system, "identity", "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    found = []
    for (table,) in tables:
        rows = await stored(system, "identity", f"SELECT t::text FROM {table} t")  # noqa: S608
        if any(secret in text or secret.encode().hex() in text for (text,) in rows):
            found.append(table)
    return found


async def test_nobody_gives_away_a_scope_they_do_not_have(system: System) -> None:
    limited = await system.client(["clients:write", "operators:write", "invoices:read"])
    body = {"name": "Shop", "scopes": ["operators:write", "payments:write"]}
    client = await new_client(system)

    made = await limited.post("/clients", json=body)
    rotated = await limited.post(f"/clients/{client['id']}/rotate-secret")
    invited = await limited.post(
        "/operators", json={"email": "eve@seller.example", "name": "Eve", "role": "admin"}
    )

    for answer in (made, rotated, invited):
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:kontor:problem:scope_not_yours"
    assert (await system.api.post("/clients", json={**body, "scopes": ["all:write"]})).is_error


# -- signing in ------------------------------------------------------------------------------------


async def test_an_operator_signs_in_acts_and_signs_out(
    system: System, database: Database, settings: IdentitySettings
) -> None:
    operator = await new_operator(database, "support")
    opened = await sign_in(system, operator.email.upper())
    assert opened.status_code == 201, opened.text
    session = opened.json()["session"]
    swapped = await swap(system, session)
    claims = claims_of(swapped.json()["access_token"])

    assert claims["sub"] == f"operator:{operator.id}"
    assert claims["exp"] - claims["iat"] == settings.operator_token_s
    assert claims["role"] == "support"
    assert set(claims["scope"].split()) == ROLES["support"]
    assert await kept_anywhere(system, session) == []
    headers = {"kontor-session": session}
    for _ in range(2):
        assert (await system.api.delete("/sessions", headers=headers)).status_code == 204
    over = await swap(system, session)
    assert (over.status_code, over.json()["type"]) == (401, "urn:kontor:problem:session_ended")


@pytest.mark.parametrize("session", ["x", "0" * 43, "é"])
async def test_a_session_that_is_none_is_refused(system: System, session: str) -> None:
    answer = await system.api.post(
        "/sessions/token", headers=[(b"kontor-session", session.encode())]
    )

    assert answer.status_code == 401


async def test_after_too_many_wrong_passwords_the_right_one_has_to_wait(
    system: System, database: Database
) -> None:
    operator = await new_operator(database)
    nobody = f"{uuid4().hex}@nobody.example"
    for email in (operator.email, nobody):
        seen = [(await sign_in(system, email, WRONG)).status_code for _ in range(6)]
        # The same for who exists and who does not.
        assert seen == [401] * 5 + [429]
    blocked = await sign_in(system, operator.email)

    assert (blocked.status_code, blocked.json()["type"]) == (
        429,
        "urn:kontor:problem:sign_in_blocked",
    )
    assert 1 <= int(blocked.headers["retry-after"]) <= 3
    await forgive(database)


async def forgive(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.run("DELETE FROM sign_in_failures")


async def test_many_guesses_at_once_are_not_all_free(system: System, database: Database) -> None:
    operator = await new_operator(database)

    answers = await asyncio.gather(*(sign_in(system, operator.email, WRONG) for _ in range(40)))

    guessed = [answer for answer in answers if answer.status_code == 401]
    assert 1 <= len(guessed) <= 5
    assert {answer.status_code for answer in answers} == {401, 429}
    await forgive(database)


async def test_a_deactivated_operator_is_out_at_once(system: System, database: Database) -> None:
    operator = await new_operator(database, "viewer")
    session = (await sign_in(system, operator.email)).json()["session"]
    await system.post(f"/operators/{operator.id}/deactivate", expect=200)

    assert (await swap(system, session)).status_code == 401
    assert (await sign_in(system, operator.email)).status_code == 401
    await system.post(f"/operators/{operator.id}/reactivate", expect=200)
    assert (await sign_in(system, operator.email)).status_code == 201


async def test_an_unused_session_ends(
    system: System, database: Database, settings: IdentitySettings
) -> None:
    operator = await new_operator(database)
    session = (await sign_in(system, operator.email)).json()["session"]
    idle = timedelta(minutes=settings.session_idle_minutes)
    async with database.transaction() as tx:
        await tx.run(
            "UPDATE sessions SET used_at = $1 WHERE operator_id = $2",
            datetime.now(UTC) - idle,
            operator.id,
        )

    assert (await swap(system, session)).status_code == 401


# -- authenticator app -----------------------------------------------------------------------------


async def test_a_code_is_asked_for_and_good_once(system: System, database: Database) -> None:
    operator = await new_operator(database)
    own = await acting_as(system, operator)
    wrong = await own.post("/account/totp", json={"current_password": WRONG})
    begun = (await own.post("/account/totp", json={"current_password": PASSWORD})).json()
    app, now = TOTP(begun["secret"]), datetime.now(UTC)
    # The code of the next step counts too; each of them once, and never an older one.
    codes = [app.generate_otp(app.timecode(now) + offset) for offset in (0, 1)]
    confirmed = await own.post("/account/totp/confirm", json={"code": codes[0]})
    recovery = confirmed.json()["recovery_codes"]

    assert wrong.status_code == 422
    assert "otpauth://totp/Kontor" in begun["uri"]
    assert len(set(recovery)) == 10
    without = await sign_in(system, operator.email)
    assert (without.status_code, without.json()["type"]) == (
        401,
        "urn:kontor:problem:code_required",
    )
    assert (await sign_in(system, operator.email, code=codes[0])).status_code == 401
    assert (await sign_in(system, operator.email, code=codes[1])).status_code == 201
    for used in codes:
        assert (await sign_in(system, operator.email, code=used)).status_code == 401
    assert (await sign_in(system, operator.email, code=recovery[0].upper())).status_code == 201
    assert (await sign_in(system, operator.email, code=recovery[0])).status_code == 401
    await forgive(database)
    for code in recovery[1:3]:
        assert await kept_anywhere(system, code) == []
    removed = await own.post("/account/totp/remove", json={"current_password": PASSWORD})
    assert removed.status_code == 204
    assert (await sign_in(system, operator.email)).status_code == 201


async def test_secrets_that_are_read_again_are_sealed_when_there_is_a_key(
    system: System, database: Database, settings: IdentitySettings
) -> None:
    from cryptography.fernet import Fernet  # noqa: PLC0415 - only here

    sealed = settings.model_copy(update={"key_encryption_key": Fernet.generate_key().decode()})
    now = datetime.now(UTC)
    async with database.transaction() as tx:
        kid = await keys.rotate_keys(tx, sealed, at_once=True, actor="test", now=now, new_id=new_id)
        row = (await stored_keys.get_keys(tx))[kid]
        signer = await keys.take_signer(tx, sealed, now=now)
        with pytest.raises(ValueError, match="KEY_ENCRYPTION_KEY"):
            await keys.take_signer(tx, settings, now=now)
        raise RolledBack

    assert "PRIVATE" not in row.private_key
    assert "PRIVATE" in signer.private_key


# -- passwords -------------------------------------------------------------------------------------


async def link_in_mail(system: System, email: str, count: int = 1) -> str:
    async def look() -> str | None:
        mails = system.mails(email)
        if len(mails) < count:
            return None
        found = re.search(r"/password#(\S+)", mails[-1].message.get_content())
        return found[1] if found else None

    return await eventually(look, f"mail {count} to {email}")


async def test_an_invited_operator_chooses_a_password_by_a_link_that_works_once(
    system: System,
) -> None:
    email = f"{uuid4().hex[:10]}@seller.example"
    body = {"email": email, "name": "Ida Beispiel", "role": "billing"}
    await system.post("/operators", body)
    await system.post("/operators", body, expect=409)
    token = await link_in_mail(system, email)
    confirm = "/password-resets/confirm"

    short = await system.api.post(confirm, json={"token": token, "new_password": "short"})
    assert (short.status_code, short.json()["errors"][0]["field"]) == (422, "new_password")
    assert await kept_anywhere(system, token) == []
    await system.post(confirm, {"token": token, "new_password": PASSWORD}, expect=204)
    await system.post(confirm, {"token": token, "new_password": PASSWORD + "2"}, expect=422)
    assert (await sign_in(system, email)).status_code == 201


async def test_a_forgotten_password_ends_all_sessions_and_tells_nobody_who_exists(
    system: System, database: Database
) -> None:
    operator = await new_operator(database)
    session = (await sign_in(system, operator.email)).json()["session"]
    answers = [
        await system.api.post("/password-resets", json={"email": email})
        for email in (operator.email, "nobody@nowhere.example", "no address")
    ]

    assert {(a.status_code, a.content) for a in answers} == {(202, b"")}
    token = await link_in_mail(system, operator.email)
    new = {"token": token, "new_password": "another good passphrase"}
    await system.post("/password-resets/confirm", new, expect=204)
    assert (await swap(system, session)).status_code == 401
    assert (await sign_in(system, operator.email)).status_code == 401
    assert (await sign_in(system, operator.email, new["new_password"])).status_code == 201


async def test_an_old_link_is_good_no_longer(
    system: System, database: Database, settings: IdentitySettings
) -> None:
    operator = await new_operator(database)
    await system.api.post("/password-resets", json={"email": operator.email})
    token = await link_in_mail(system, operator.email)
    async with database.transaction() as tx:
        await tx.run("UPDATE password_resets SET expires_at = now()")

    body = {"token": token, "new_password": PASSWORD}
    await system.post("/password-resets/confirm", body, expect=422)


async def test_operators_change_their_own_password(system: System, database: Database) -> None:
    operator = await new_operator(database, "viewer")
    own = await acting_as(system, operator)
    for current, new, status in (
        (WRONG, "another good passphrase", 422),
        (PASSWORD, "aaaaaaaaaaaaaaaa", 422),
        (PASSWORD, "another good passphrase", 204),
    ):
        body = {"current_password": current, "new_password": new}
        assert (await own.post("/account/password", json=body)).status_code == status
    assert (await own.get("/account")).json()["email"] == operator.email
    assert (await sign_in(system, operator.email, "another good passphrase")).status_code == 201


# -- operators -------------------------------------------------------------------------------------


async def test_the_last_administrator_stays(system: System, database: Database) -> None:
    await new_operator(database)
    async with database.transaction() as tx:
        await tx.run("UPDATE operators SET role = 'viewer' WHERE role = 'admin'")
    last = await new_operator(database)

    for path, body in (("", {"role": "viewer"}), ("/deactivate", None)):
        verb = "PATCH" if body else "POST"
        answer = await system.api.request(verb, f"/operators/{last.id}{path}", json=body)
        assert answer.json()["type"] == "urn:kontor:problem:last_admin"
    other = await new_operator(database)
    answers = await asyncio.gather(
        *(system.api.post(f"/operators/{o.id}/deactivate") for o in (last, other))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_no_property_beyond_the_documented_ones_can_be_set(
    system: System, database: Database
) -> None:
    operator = await new_operator(database, "viewer")
    for smuggled in (
        {"password_hash": "x"},
        {"totp_on": False},
        {"active": False},
        {"id": str(uuid4())},
        {"email": "eve@seller.example"},
    ):
        answer = await system.api.patch(f"/operators/{operator.id}", json=smuggled)
        (name,) = smuggled
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == name
    for smuggled in ({"secret_hash": "x"}, {"active": True}, {"client_secret": "mine"}):
        body = {"name": "Shop", "scopes": ["users:read"], **smuggled}
        assert (await system.api.post("/clients", json=body)).status_code == 422


# -- signing keys ----------------------------------------------------------------------------------


async def test_keys_are_listed_before_they_sign_and_until_nothing_needs_them(
    system: System, database: Database, settings: IdentitySettings
) -> None:
    now = datetime.now(UTC)
    lead, life = timedelta(minutes=15), timedelta(seconds=settings.client_token_s)

    async def kids(at: datetime) -> set[Any]:
        return {key["kid"] for key in await keys.list_public_keys(tx, now=at)}

    async with database.transaction() as tx:
        old = (await keys.take_signer(tx, settings, now=now)).kid
        new = await keys.rotate_keys(
            tx, settings, at_once=False, actor="test", now=now, new_id=new_id
        )

        assert await kids(now) == {old, new}
        assert (await keys.take_signer(tx, settings, now=now)).kid == old
        assert (await keys.take_signer(tx, settings, now=now + lead)).kid == new
        assert await kids(now + lead + life) == {old, new}
        assert await kids(now + lead + life + timedelta(hours=1)) == {new}
        raise RolledBack


async def test_after_a_leak_nothing_that_the_old_keys_signed_counts(
    system: System, database: Database, settings: IdentitySettings
) -> None:
    now = datetime.now(UTC)
    async with database.transaction() as tx:
        before = await issue_for_machine(
            tx, "m", frozenset({"users:read"}), settings, now=now, new_id=new_id
        )
        await keys.rotate_keys(tx, settings, at_once=True, actor="test", now=now, new_id=new_id)
        after = await issue_for_machine(
            tx, "m", frozenset({"users:read"}), settings, now=now, new_id=new_id
        )
        document = {"keys": await keys.list_public_keys(tx, now=now)}
        raise RolledBack
    gate = await gate_of(json.loads(json.dumps(document)), settings)

    assert (await gate.caller(after.token, now=now)).subject == "machine:m"
    with pytest.raises(Unauthenticated):
        await gate.caller(before.token, now=now)


async def test_the_clock_makes_one_key_when_it_is_time_and_only_one(
    system: System, database: Database, settings: IdentitySettings
) -> None:
    later = datetime.now(UTC) + timedelta(days=settings.key_days + 1)

    async def round_of_work() -> None:
        await keys.rotate_when_due(database, settings, clock=lambda: later, new_id=new_id)

    await round_of_work()
    before = await stored(system, "identity", "SELECT kid FROM signing_keys")
    await asyncio.gather(*(round_of_work() for _ in range(3)))

    assert await stored(system, "identity", "SELECT kid FROM signing_keys") == before
