"""Links to choose a password. Only the mail knows them: no event, no log, no row does."""

from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import structlog

from services.identity import tables
from services.identity.credentials import hash_secret
from services.identity.domain.texts import reset_text
from services.identity.repository import operators, sessions
from services.identity.settings import IdentitySettings
from services.identity.use_cases.account import set_password
from shared.clock import Clock, NewId, NewSecret
from shared.database import Database, Tx
from shared.due_work import claim_due, finish, held
from shared.errors import InputInvalid
from shared.retries import SendFailure, retry_at
from shared.smtp import Mailer

__all__ = ["request_reset", "send_due_resets", "use_reset"]

log = structlog.get_logger()

_PAUSE = timedelta(minutes=1)
_AT_ONCE = 4
_ATTEMPTS_MAX = 20


async def request_reset(tx: Tx, email: str, *, now: datetime, new_id: NewId) -> None:
    """Have a link sent, if there is an active operator with this e-mail."""
    operator = await operators.find_operator(tx, email)
    if operator is not None and operator.active:
        await sessions.add_reset(tx, new_id(), operator.id, "forgotten", now=now, pause=_PAUSE)


async def use_reset(tx: Tx, token: str, password: str, *, now: datetime, new_id: NewId) -> None:
    """Choose a password with a link's token, once.

    Raises:
        InputInvalid: the link is not good any more, or the password breaks a rule.
    """
    reset = await sessions.lock_reset(tx, hash_secret(token), now=now)
    if reset is None:
        raise InputInvalid("token", "is not good any more; ask for a new link")
    actor, action = f"operator:{reset.operator_id}", "operator.reset_password"
    await set_password(
        tx, reset.operator_id, password, action=action, actor=actor, now=now, new_id=new_id
    )


async def send_due_resets(
    database: Database,
    mailer: Mailer,
    settings: IdentitySettings,
    *,
    clock: Clock,
    new_secret: NewSecret,
) -> bool:
    """Send links that were asked for; tells whether there were any."""
    async with database.transaction() as tx:
        claimed = await claim_due(tx, tables.password_resets, now=clock(), limit=_AT_ONCE)
    async with held(database, tables.password_resets, claimed, clock=clock):
        for row in claimed:
            await _send(database, mailer, settings, row, clock=clock, new_secret=new_secret)
    return bool(claimed)


async def _send(
    database: Database,
    mailer: Mailer,
    settings: IdentitySettings,
    row: Any,
    *,
    clock: Clock,
    new_secret: NewSecret,
) -> None:
    # Made only now, and its hash committed before the mail goes out: each attempt has its own.
    token, now = new_secret(), clock()
    expires_at = now + timedelta(minutes=settings.reset_minutes)
    async with database.transaction() as tx:
        mine = await finish(
            tx,
            tables.password_resets,
            row,
            token_hash=hash_secret(token),
            expires_at=expires_at,
        )
        operator = await operators.get_operator(tx, row.operator_id)
    if not mine:
        return
    failure = await mailer.send(_mail(row, operator, token, settings, now))
    values: dict[str, Any] = {"state": "sent", "last_error": None}
    if failure is not None:
        values = _after(failure, row.attempts, clock())
        log.warning("reset mail not sent", reset=str(row.id), code=failure.code)
    async with database.transaction() as tx:
        await finish(tx, tables.password_resets, row, **values)


def _after(failure: SendFailure, attempts: int, now: datetime) -> dict[str, Any]:
    given_up = failure.permanent or attempts >= _ATTEMPTS_MAX
    words = failure.words if failure.code is None else f"{failure.code} {failure.words}"
    return {
        "state": "void" if given_up else "due",
        "next_at": retry_at(now, attempts),
        "last_error": words[:1000],
    }


def _mail(
    row: Any, operator: Any, token: str, settings: IdentitySettings, now: datetime
) -> EmailMessage:
    # Behind the #: browsers do not send that part, so no server on the way logs it.
    link = f"{settings.console_url}/password#{token}"
    subject, body = reset_text(row.reason, operator.name, link, settings.reset_minutes)
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = settings.mail_from, operator.email
    message["Subject"], message["Date"] = subject, now
    message["Message-ID"] = f"<{row.id}.{row.attempts}@{settings.mail_from.rpartition('@')[2]}>"
    message.set_content(body)
    return message
