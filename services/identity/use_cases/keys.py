"""Signing keys: made at first need, published before they sign, kept until nothing needs them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.identity.domain import rotation
from services.identity.domain.rotation import ListedKey
from services.identity.repository import clients as repository
from services.identity.settings import IdentitySettings
from services.identity.signing import Sealer, new_key
from shared.audit import Act, record
from shared.clock import Clock, NewId
from shared.database import Database, Tx

__all__ = ["Signer", "list_public_keys", "rotate_keys", "rotate_when_due", "take_signer"]


@dataclass(frozen=True, slots=True)
class Signer:
    """`private_key` is PEM."""

    kid: str
    private_key: str


def _listed(rows: Mapping[str, Any]) -> list[ListedKey]:
    return [ListedKey(row.kid, row.signs_from, row.listed_until) for row in rows.values()]


async def list_public_keys(tx: Tx, *, now: datetime) -> list[Mapping[str, Any]]:
    """The keys of the JWKS: those that sign, will sign, or signed what is still in force."""
    rows = await repository.get_keys(tx)
    return [rows[key.kid].public_jwk for key in rotation.listed(_listed(rows), now)]


async def take_signer(tx: Tx, settings: IdentitySettings, *, now: datetime) -> Signer:
    """The key that signs now; the first one is made here."""
    sealer = Sealer(settings.key_encryption_key)
    rows = await repository.get_keys(tx)
    key = rotation.signer(_listed(rows), now)
    if key is None:
        await repository.lock_keys(tx)
        rows = await repository.get_keys(tx)
        key = rotation.signer(_listed(rows), now)
    if key is None:
        return await _add_key(tx, sealer, signs_from=now)
    return Signer(key.kid, sealer.unseal(rows[key.kid].private_key))


async def _add_key(tx: Tx, sealer: Sealer, *, signs_from: datetime) -> Signer:
    made = new_key()
    row = {
        "kid": made.kid,
        "public_jwk": made.public_jwk,
        "private_key": sealer.seal(made.private_key),
        "signs_from": signs_from,
        "listed_until": None,
    }
    await repository.add_key(tx, row)
    return Signer(made.kid, made.private_key)


async def rotate_keys(
    tx: Tx,
    settings: IdentitySettings,
    *,
    at_once: bool,
    actor: str,
    now: datetime,
    new_id: NewId,
) -> str:
    """Make a new key; returns its id.

    Args:
        at_once: the old ones are known to somebody: the new key signs now, and what the old ones
            have signed counts no longer.
    """
    await repository.lock_keys(tx)
    keys = rotation.listed(_listed(await repository.get_keys(tx)), now)
    signs_from = now if at_once or not keys else now + rotation.LEAD
    made = await _add_key(tx, Sealer(settings.key_encryption_key), signs_from=signs_from)
    life = timedelta(seconds=max(settings.client_token_s, settings.operator_token_s))
    await repository.save_ends(tx, _ended(keys, made.kid, signs_from, now, life, at_once=at_once))
    act = Act("key.rotate", "key", made.kid, after={"at_once": at_once})
    await record(tx, actor, [act], now=now, new_id=new_id)
    return made.kid


def _ended(
    keys: Sequence[ListedKey],
    kid: str,
    signs_from: datetime,
    now: datetime,
    life: timedelta,
    *,
    at_once: bool,
) -> list[ListedKey]:
    if at_once:
        return [ListedKey(key.kid, key.signs_from, now) for key in keys]
    return rotation.retire(keys, ListedKey(kid, signs_from), now, life)


async def rotate_when_due(
    database: Database, settings: IdentitySettings, *, clock: Clock, new_id: NewId
) -> bool:
    """Make a new key when the newest is old enough, and forget those that nothing needs."""
    now, every = clock(), timedelta(days=settings.key_days)
    async with database.transaction() as tx:
        if rotation.stale(_listed(await repository.get_keys(tx)), now, every):
            await repository.lock_keys(tx)
            if rotation.stale(_listed(await repository.get_keys(tx)), now, every):
                await rotate_keys(
                    tx, settings, at_once=False, actor="clock", now=now, new_id=new_id
                )
        await repository.delete_keys(tx, unlisted_since=now)
    return False
