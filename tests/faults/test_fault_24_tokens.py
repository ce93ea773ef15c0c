"""Tokens that prove nothing, in every way one can try: each is refused, and costs little."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from deploy.services import SERVICES
from shared import tokens
from shared.asgi import serve
from shared.auth import Gate
from shared.errors import Unauthenticated, Unavailable
from shared.tokens import PublishedKeys, Verifier
from tests.system import System, eventually
from tests.tokens import Issuer, issuer

NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=1)
Forge = Callable[[Issuer], str]


def encoded(part: Any) -> str:
    text = part if isinstance(part, str) else json.dumps(part)
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def unsigned(alg: str) -> Forge:
    def forge(own: Issuer) -> str:
        claims = own.claims(iat=None, exp=LATER.timestamp())
        return f"{encoded({'alg': alg, 'kid': own.kid, 'typ': 'at+jwt'})}.{encoded(claims)}."

    return forge


def hmac_with_public_key(own: Issuer) -> str:
    """Key confusion: the public key, as everybody can read it, taken for a shared secret."""
    secret = own.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    claims = own.claims()
    return jwt.encode(claims, secret.hex(), "HS256", headers={"kid": own.kid, "typ": "at+jwt"})


def changed(**different: Any) -> Forge:
    return lambda own: own.signed(own.claims(**different))


def headed(**different: Any) -> Forge:
    return lambda own: own.signed(own.claims(), **different)


def another_key(own: Issuer) -> str:
    key = Ed25519PrivateKey.generate()
    return jwt.encode(own.claims(), key, "EdDSA", headers={"kid": own.kid, "typ": "at+jwt"})


def another_algorithm(own: Issuer) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(own.claims(), key, "ES256", headers={"kid": own.kid, "typ": "at+jwt"})


def rsa_signed(own: Issuer) -> str:
    key = rsa.generate_private_key(65_537, 2048)
    return jwt.encode(own.claims(), key, "RS256", headers={"kid": own.kid, "typ": "at+jwt"})


def key_of_its_own(own: Issuer) -> str:
    """A key in the token's own header proves that somebody has a key."""
    key = Ed25519PrivateKey.generate()
    headers = {"kid": "mine", "typ": "at+jwt", "jwk": own.public, "jku": own.url}
    return jwt.encode(own.claims(), key, "EdDSA", headers=headers)


def more_scopes(own: Issuer) -> str:
    """The signature of one token under the claims of another."""
    head, _, signature = own.token(["invoices:read"]).split(".")
    return f"{head}.{encoded(own.claims(iat=None, exp=LATER.timestamp()))}.{signature}"


ATTACKS: dict[str, Forge] = {
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg empty": unsigned(""),
    "alg EdDSA without a signature": unsigned("EdDSA"),
    "HMAC with the public key": hmac_with_public_key,
    "another key under a known id": another_key,
    "another algorithm under a known id": another_algorithm,
    "RSA": rsa_signed,
    "a key of its own": key_of_its_own,
    "unknown key id": headed(kid="unknown"),
    "key id is a path": headed(kid="../../etc/passwd"),
    "an ID token": headed(typ="JWT"),
    "another kind": headed(typ="logout+jwt"),
    "expired": changed(exp=NOW - timedelta(minutes=1)),
    "not valid yet": changed(nbf=NOW + timedelta(minutes=10)),
    "no end": changed(exp=None),
    "end is a text": changed(exp=str(LATER)),
    "wrong audience": changed(aud="somebody-else"),
    "no audience": changed(aud=None),
    "wrong issuer": changed(iss="https://evil.example"),
    "no issuer": changed(iss=None),
    "no subject": changed(sub=None),
    "subject with a line break": changed(sub="operator:1\r\nx: y"),
    "subject with NUL": changed(sub="operator:\x00"),
    "scope is a number": changed(scope=7),
    "customers is a text": changed(customer_ids="all"),
    "customers is a number": changed(customer_ids=1),
    "more scopes under an old signature": more_scopes,
    "a signature cut off": lambda own: own.token()[:-4],
    "claims that are a list": lambda own: (
        f"{encoded({'alg': 'EdDSA', 'kid': own.kid})}.{encoded([])}.x"
    ),
    "deep nonsense": lambda own: f"{encoded('[' * 5000)}.{encoded('x')}.{own.kid}",
    "very long": lambda own: own.token() + "A" * 100_000,
    "not a token": lambda _: "hello",
    "dots": lambda _: "...",
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_token_that_proves_nothing_is_refused_by_every_service(
    system: System, attack: str
) -> None:
    token = ATTACKS[attack](issuer())

    for path in ("/invoices", "/subscriptions", "/deliveries", "/customers", "/operators"):
        answer = await system.api.get(path, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401, f"{path}: {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json"
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic eDp5", "bearer", "x y z"])
async def test_without_a_token_the_answer_says_which_kind_is_needed(
    system: System, header: str | None
) -> None:
    client = await system.client_with({} if header is None else {"authorization": header})

    answer = await client.get("/invoices")

    assert (answer.status_code, answer.headers["www-authenticate"]) == (
        401,
        'Bearer realm="kontor"',
    )


@pytest.mark.parametrize(
    "right",
    [
        changed(),
        headed(typ="AT+JWT"),
        headed(typ=None),
        changed(aud=["other", "kontor"]),
        changed(scope=None, scp=["invoices:read"]),
        changed(scope=["invoices:read"]),
        changed(exp=LATER, nbf=NOW - timedelta(minutes=1)),
    ],
)
async def test_a_right_token_is_let_in(system: System, right: Forge) -> None:
    token = right(issuer())

    answer = await system.api.get("/invoices", headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 200, answer.text


# -- keys ------------------------------------------------------------------------------------------


def gate_of(own: Issuer) -> Gate:
    return Gate(Verifier(own.name, "kontor", PublishedKeys(own.url)))


async def test_a_flood_of_unknown_keys_asks_the_issuer_once(tmp_path: Path) -> None:
    own = Issuer("https://issuer.example", tmp_path)
    gate = gate_of(own)
    await gate.caller(own.token(), now=NOW)

    async def try_one(number: int) -> None:
        with pytest.raises(Unauthenticated):
            await gate.caller(own.signed(own.claims(), kid=f"made-up-{number}"), now=NOW)

    await asyncio.gather(*(try_one(number) for number in range(500)))

    assert gate.verifier.keys.fetches == 1
    assert (await gate.caller(own.token(), now=NOW)).subject == "operator:test"


async def test_who_comes_while_keys_are_fetched_waits_for_them(tmp_path: Path) -> None:
    own = Issuer("https://issuer.example", tmp_path)
    gate = gate_of(own)

    callers = await asyncio.gather(
        *(gate.caller(own.token(subject=f"client:{n}"), now=NOW) for n in range(50))
    )

    assert len({caller.subject for caller in callers}) == 50
    assert gate.verifier.keys.fetches == 1


async def test_a_new_key_is_fetched_when_a_token_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_PAUSE_S", 0.0)
    old = Issuer("https://issuer.example", tmp_path)
    gate = gate_of(old)
    await gate.caller(old.token(), now=NOW)
    new = Issuer("https://issuer.example", tmp_path, kid="test-2")
    old.file.write_text(json.dumps({"keys": [old.public, new.public]}))

    assert (await gate.caller(new.token(subject="client:2"), now=NOW)).subject == "client:2"
    assert (await gate.caller(old.token(subject="client:1"), now=NOW)).subject == "client:1"


async def test_what_a_key_that_was_taken_back_has_signed_counts_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_PAUSE_S", 0.0)
    old = Issuer("https://issuer.example", tmp_path)
    gate, token = gate_of(old), old.token()
    await gate.caller(token, now=NOW)
    new = Issuer("https://issuer.example", tmp_path, kid="test-2")
    old.file.write_text(json.dumps({"keys": [new.public]}))
    await gate.caller(new.token(), now=NOW)

    with pytest.raises(Unauthenticated):
        await gate.caller(token, now=NOW)


async def test_while_the_issuer_is_away_known_keys_go_on_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_PAUSE_S", 0.0)
    monkeypatch.setattr(tokens, "_STALE_S", 0.0)
    own = Issuer("https://issuer.example", tmp_path)
    gate = gate_of(own)
    await gate.caller(own.token(), now=NOW)
    for broken in ("", "[]", "{", '{"keys": 7}', "[" * 100_000):
        own.file.write_text(broken)
        assert await gate.caller(own.token(subject=f"client:{len(broken)}"), now=NOW)
    own.file.unlink()
    assert await gate.caller(own.token(subject="client:9"), now=NOW)


async def test_before_any_key_is_known_the_answer_is_to_try_again(tmp_path: Path) -> None:
    own = Issuer("https://issuer.example", tmp_path)
    own.file.unlink()

    with pytest.raises(Unavailable):
        await gate_of(own).caller(own.token(), now=NOW)


async def test_a_known_token_is_forgotten_when_it_expires(tmp_path: Path) -> None:
    own = Issuer("https://issuer.example", tmp_path)
    gate, token = gate_of(own), own.token(exp=LATER)
    await gate.caller(token, now=NOW)

    assert await gate.caller(token, now=LATER - timedelta(seconds=1))
    with pytest.raises(Unauthenticated, match="expired"):
        await gate.caller(token, now=LATER + timedelta(seconds=6))


# -- another issuer --------------------------------------------------------------------------------


async def test_a_service_can_be_pointed_at_another_oidc_issuer(
    system: System, unused_tcp_port: int
) -> None:
    """One that signs with ES256 and publishes its keys over HTTP, as others do."""
    key, kid = ec.generate_private_key(ec.SECP256R1()), "other-1"
    public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    body = {"keys": [{**public, "kid": kid, "use": "sig"}, {"kty": "RSA"}, {}, "?"]}
    name = f"http://127.0.0.1:{unused_tcp_port}"

    async def jwks(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": json.dumps(body).encode()})
        else:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})

    stop = asyncio.Event()
    serving = asyncio.create_task(serve(jwks, "127.0.0.1", unused_tcp_port, stop))
    settings = SERVICES["billing"].settings.load(
        system.environment
        | {
            "KONTOR_AUTH_ISSUER": name,
            "KONTOR_AUTH_JWKS_URL": f"{name}/keys",
            "KONTOR_AUTH_AUDIENCE": "billing-of-ours",
        }
    )
    api = SERVICES["billing"].build_api(settings)
    claims = issuer().claims(iss=name, aud="billing-of-ours", sub="auth0|42", scope="invoices:read")
    theirs = jwt.encode(claims, key, "ES256", headers={"kid": kid, "typ": "at+jwt"})

    async def listening() -> bool | None:
        async with httpx.AsyncClient() as probe:
            try:
                return (await probe.get(f"{name}/keys")).is_success or None
            except httpx.ConnectError:
                return None

    await eventually(listening, "the other issuer")
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://kontor/v1") as client:
        statuses = []
        for token in (theirs, issuer().token(aud="billing-of-ours")):
            headers = {"authorization": f"Bearer {token}"}

            statuses.append((await client.get("/invoices", headers=headers)).status_code)
    stop.set()
    await serving
    await api.state.database.close()

    assert statuses == [200, 401]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_api_starts_without_knowing_whose_tokens_it_accepts(system: System, name: str) -> None:
    for missing in ("KONTOR_AUTH_ISSUER", "KONTOR_AUTH_JWKS_URL"):
        left = {k: v for k, v in system.environment.items() if k != missing}
        with pytest.raises(ValueError, match="KONTOR_AUTH_ISSUER and KONTOR_AUTH_JWKS_URL"):
            SERVICES[name].build_api(SERVICES[name].settings.load(left))
