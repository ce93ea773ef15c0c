"""What operators do with their own account: password, authenticator app, recovery codes."""

from datetime import datetime
from uuid import UUID

from services.identity.credentials import (
    hash_password,
    hash_secret,
    new_recovery_codes,
    new_totp_secret,
    password_is,
    totp_step,
    totp_uri,
)
from services.identity.domain.passwords import password_fault
from services.identity.repository import operators as repository
from services.identity.repository import sessions
from services.identity.settings import IdentitySettings
from services.identity.signing import Sealer
from services.identity.use_cases.operators import require
from shared.audit import Act, record
from shared.clock import NewId, NewSecret
from shared.database import Tx
from shared.errors import Conflict, InputInvalid

__all__ = ["begin_totp", "change_password", "confirm_totp", "set_password", "stop_totp"]


async def set_password(
    tx: Tx,
    operator_id: UUID,
    password: str,
    *,
    action: str,
    actor: str,
    now: datetime,
    new_id: NewId,
) -> None:
    """Store a new password; all sessions and links of before are good no longer.

    Raises:
        InputInvalid: the password breaks a rule.
    """
    row = await require(tx, operator_id)
    if fault := password_fault(password, row.email):
        raise InputInvalid("new_password", fault)
    hashed = await hash_password(password)
    await repository.save_operator(tx, operator_id, password_hash=hashed)
    await sessions.end_sessions_of(tx, operator_id)
    await sessions.use_resets_of(tx, operator_id)
    await sessions.forget_failures(tx, f"email:{hash_secret(row.email)}")
    await record(tx, actor, [Act(action, "operator", operator_id)], now=now, new_id=new_id)


async def _check_password(tx: Tx, operator_id: UUID, password: str) -> None:
    row = await require(tx, operator_id)
    if not await password_is(password, row.password_hash):
        raise InputInvalid("current_password", "is not the current password")


async def change_password(
    tx: Tx, operator_id: UUID, current: str, new: str, *, now: datetime, new_id: NewId
) -> None:
    """Change one's own password.

    Raises:
        InputInvalid: the current one is wrong, or the new one breaks a rule.
    """
    await _check_password(tx, operator_id, current)
    actor, action = f"operator:{operator_id}", "operator.change_password"
    await set_password(tx, operator_id, new, action=action, actor=actor, now=now, new_id=new_id)


async def begin_totp(
    tx: Tx,
    operator_id: UUID,
    password: str,
    settings: IdentitySettings,
    *,
    new_secret: NewSecret,
) -> tuple[str, str]:
    """Begin with an authenticator app; returns its secret and the address for a QR code.

    Raises:
        InputInvalid: the password is wrong.
        Conflict: there is one already.
    """
    await _check_password(tx, operator_id, password)
    row = await require(tx, operator_id)
    if row.totp_on:
        raise Conflict("totp_on", "There is an authenticator app already; remove it first.")
    secret = new_totp_secret(new_secret)
    sealed = Sealer(settings.key_encryption_key).seal(secret)
    await repository.save_operator(tx, operator_id, totp_secret=sealed)
    return secret, totp_uri(secret, row.email)


async def confirm_totp(
    tx: Tx,
    operator_id: UUID,
    code: str,
    settings: IdentitySettings,
    *,
    now: datetime,
    new_id: NewId,
    new_secret: NewSecret,
) -> list[str]:
    """From now on a code is asked for; returns the recovery codes, which are not stored.

    Raises:
        Conflict: nothing was begun, or it is confirmed already.
        InputInvalid: the code is wrong.
    """
    row = await require(tx, operator_id)
    if row.totp_on or row.totp_secret is None:
        raise Conflict("totp_not_begun", "There is no authenticator app to confirm.")
    secret = Sealer(settings.key_encryption_key).unseal(row.totp_secret)
    step = totp_step(secret, code, last_step=row.totp_last_step, now=now)
    if step is None:
        raise InputInvalid("code", "is not the code of this moment")
    codes = new_recovery_codes(new_secret)
    await repository.save_operator(tx, operator_id, totp_on=True, totp_last_step=step)
    await repository.replace_recovery_hashes(tx, operator_id, map(hash_secret, codes))
    act = Act("operator.totp_on", "operator", operator_id)
    await record(tx, f"operator:{operator_id}", [act], now=now, new_id=new_id)
    return codes


async def stop_totp(
    tx: Tx, operator_id: UUID, password: str, *, now: datetime, new_id: NewId
) -> None:
    """Remove the authenticator app and the recovery codes.

    Raises:
        InputInvalid: the password is wrong.
    """
    await _check_password(tx, operator_id, password)
    await repository.save_operator(tx, operator_id, totp_on=False, totp_secret=None)
    await repository.replace_recovery_hashes(tx, operator_id, ())
    act = Act("operator.totp_off", "operator", operator_id)
    await record(tx, f"operator:{operator_id}", [act], now=now, new_id=new_id)
