"""What the API takes and gives."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, field_validator

from services.identity.domain.passwords import MAX_CHARS
from services.identity.domain.roles import Role
from shared.fields import Email
from shared.http import InputModel

__all__ = [
    "ClientIn",
    "ClientOut",
    "ClientSecretOut",
    "ClientsOut",
    "CodeIn",
    "JwksOut",
    "OAuthErrorOut",
    "OperatorIn",
    "OperatorOut",
    "OperatorPatch",
    "OperatorTokenOut",
    "OperatorsOut",
    "PasswordChangeIn",
    "PasswordIn",
    "RecoveryCodesOut",
    "ResetConfirmIn",
    "ResetIn",
    "SessionIn",
    "SessionOut",
    "TokenOut",
    "TotpOut",
]

Name = Annotated[str, Field(min_length=1, max_length=100)]
Password = Annotated[str, Field(min_length=1, max_length=MAX_CHARS)]
Secret = Annotated[str, Field(min_length=1, max_length=200)]
Scope = Annotated[str, Field(pattern=r"^[a-z-]{1,40}:(read|write)$")]


class OperatorIn(InputModel):
    """The operator gets a mail with a link to choose a password."""

    email: Email
    name: Name
    role: Role


class OperatorPatch(InputModel):
    """Fields that are absent stay as they are."""

    name: Name | None = None
    role: Role | None = None


class OperatorOut(BaseModel):
    id: UUID
    email: str
    name: str
    role: Role
    active: bool
    totp_on: bool
    created_at: datetime


class OperatorsOut(BaseModel):
    """`next` goes into `after` for the following page; null on the last one."""

    items: list[OperatorOut]
    next: str | None


class SessionIn(InputModel):
    """`code`: of the authenticator app, or a recovery code; only where one is set up."""

    email: Annotated[str, Field(min_length=1, max_length=254)]
    password: Password
    code: Annotated[str, Field(max_length=40)] = ""


class SessionOut(BaseModel):
    """`session` is a secret and shown only here."""

    session: str
    expires_at: datetime
    operator: OperatorOut


class TokenOut(BaseModel):
    """As RFC 6749, section 5.1, has it."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a name
    expires_in: int
    scope: str


class OperatorTokenOut(TokenOut):
    operator: OperatorOut


class OAuthErrorOut(BaseModel):
    """As RFC 6749, section 5.2, has it."""

    error: str
    error_description: str


class PasswordChangeIn(InputModel):
    current_password: Password
    new_password: Password


class PasswordIn(InputModel):
    current_password: Password


class CodeIn(InputModel):
    code: Annotated[str, Field(pattern=r"^[0-9]{6}$")]


class TotpOut(BaseModel):
    """`uri` is for a QR code. Nothing is asked for before a code has been confirmed."""

    secret: str
    uri: str


class RecoveryCodesOut(BaseModel):
    """Each works once in place of a code. Shown only here."""

    recovery_codes: list[str]


class ResetIn(InputModel):
    email: Annotated[str, Field(min_length=1, max_length=254)]


class ResetConfirmIn(InputModel):
    token: Secret
    new_password: Password


class ClientIn(InputModel):
    """`customer_ids`: the only customers there are for this client; null: all."""

    name: Name
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=100)]
    customer_ids: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=1000)] | None = None

    @field_validator("scopes")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value))


class ClientOut(BaseModel):
    id: UUID
    name: str
    scopes: list[str]
    customer_ids: list[UUID] | None
    active: bool
    created_at: datetime
    rotated_at: datetime


class ClientSecretOut(ClientOut):
    """`client_secret` is shown only here."""

    client_secret: str


class ClientsOut(BaseModel):
    """`next` goes into `after` for the following page; null on the last one."""

    items: list[ClientOut]
    next: str | None


class JwkOut(BaseModel):
    kty: str
    crv: str
    x: str
    kid: str
    alg: str
    use: str


class JwksOut(BaseModel):
    """The keys tokens are signed with (RFC 7517)."""

    keys: list[JwkOut]
