"""Signing in: one guess at a time, each counted, nothing told about who exists."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from services.identity.credentials import (
    hash_secret,
    password_is,
    recovery_code,
    totp_step,
)
from services.identity.domain.lockout import ADDRESS, EMAIL, blocked_until, failures_now
from services.identity.repository import operators, sessions
from services.identity.settings import IdentitySettings
from services.identity.signing import Sealer
from shared.audit import Act, record
from shared.clock import NewId, NewSecret
from shared.database import Tx

__all__ = ["Refused", "SignIn", "SignedIn", "sign_in", "sign_out"]


@dataclass(frozen=True, slots=True)
class SignIn:
    """`code`: of the authenticator app, or a recovery code."""

    email: str
    password: str
    code: str
    address: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`secret` is not stored: whoever has it has the session."""

    secret: str
    expires_at: datetime
    operator: Any


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer and not an exception: what was counted must be committed.

    `wait_s`: seconds until it makes sense to try again.
    """

    reason: Literal["wrong", "code_required", "blocked"]
    wait_s: int = 0


async def sign_in(
    tx: Tx,
    attempt: SignIn,
    settings: IdentitySettings,
    *,
    now: datetime,
    new_id: NewId,
    new_secret: NewSecret,
) -> SignedIn | Refused:
    """Open a session for who knows the password, and the code where one is set up."""
    keys = {
        f"email:{hash_secret(attempt.email.lower())}": EMAIL,
        f"address:{hash_secret(attempt.address)}": ADDRESS,
    }
    by_email, _ = keys
    if not await sessions.only_attempt(tx, by_email):
        return Refused("blocked", 1)
    noted = await sessions.failures_of(tx, list(keys))
    ends = [row.blocked_until for row in noted.values() if row.blocked_until]
    if (end := max(ends, default=now)) > now:
        return Refused("blocked", int((end - now).total_seconds()) + 1)

    operator = await operators.find_operator(tx, attempt.email)
    known = await password_is(attempt.password, operator.password_hash if operator else None)
    if known and operator.active:
        if not operator.totp_on:
            return await _open(tx, operator, by_email, settings, now, new_id, new_secret)
        if not attempt.code:
            return Refused("code_required")
        if await _code_is_good(tx, operator, attempt.code, settings, now):
            return await _open(tx, operator, by_email, settings, now, new_id, new_secret)
    for key, patience in keys.items():
        row = noted.get(key)
        failures = (failures_now(row.failures, row.failed_at, now) if row else 0) + 1
        end_of_pause = blocked_until(failures, patience, now)
        await sessions.note_failure(tx, key, failures, blocked_until=end_of_pause, now=now)
        if operator and patience is EMAIL and failures == patience.locked_at:
            act = Act("operator.locked_out", "operator", operator.id, after={"failures": failures})
            await record(tx, "anybody", [act], now=now, new_id=new_id)
    return Refused("wrong")


async def _code_is_good(
    tx: Tx, operator: Any, code: str, settings: IdentitySettings, now: datetime
) -> bool:
    """Whether a code is right; it is used up by that. `only_attempt` keeps others out."""
    secret = Sealer(settings.key_encryption_key).unseal(operator.totp_secret)
    step = totp_step(secret, code, last_step=operator.totp_last_step, now=now)
    if step is not None:
        await operators.save_operator(tx, operator.id, totp_last_step=step)
        return True
    stored = recovery_code(code, await operators.recovery_hashes(tx, operator.id))
    return stored is not None and await operators.use_recovery_hash(tx, operator.id, stored)


async def _open(
    tx: Tx,
    operator: Any,
    by_email: str,
    settings: IdentitySettings,
    now: datetime,
    new_id: NewId,
    new_secret: NewSecret,
) -> SignedIn:
    secret, session_id = new_secret(), new_id()
    expires_at = now + timedelta(hours=settings.session_hours)
    await sessions.forget_failures(tx, by_email)
    row = {
        "id": session_id,
        "operator_id": operator.id,
        "secret_hash": hash_secret(secret),
        "created_at": now,
        "used_at": now,
        "expires_at": expires_at,
    }
    await sessions.add_session(tx, row)
    act = Act("session.open", "operator", operator.id)
    await record(tx, f"operator:{operator.id}", [act], now=now, new_id=new_id)
    return SignedIn(secret, expires_at, operator)


async def sign_out(tx: Tx, secret: str, *, now: datetime, new_id: NewId) -> None:
    """End a session; one that has ended already stays so."""
    row = await sessions.end_session(tx, hash_secret(secret))
    if row is not None:
        actor = f"operator:{row.operator_id}"
        act = Act("session.close", "operator", row.operator_id)
        await record(tx, actor, [act], now=now, new_id=new_id)
