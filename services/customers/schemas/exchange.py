"""Customers and users as rows of a CSV file, and what came of importing one."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from services.customers.domain import customer, user
from services.customers.domain.customer import Customer
from services.customers.domain.imports import CustomerRow, UserRow
from services.customers.schemas.customers import CustomerIn, CustomerPatch
from services.customers.schemas.users import UserIn, UserPatch
from shared.errors import InputInvalid
from shared.http import InputModel
from shared.spreadsheet import BadRow, Row, read_csv

__all__ = [
    "CUSTOMER_COLUMNS",
    "USER_COLUMNS",
    "ImportOut",
    "customer_cells",
    "read_customers",
    "read_users",
    "user_cells",
]

_LINES = {"address_lines": "address_line", "billing_address": "billing_address"}
_LINES_MAX = 6
_Made = TypeVar("_Made")
_DEFAULTED = ("time_zone", "language", "currency")


def _line_columns(field: str) -> list[str]:
    return [f"{_LINES[field]}_{n}" for n in range(1, _LINES_MAX + 1)]


CUSTOMER_COLUMNS: tuple[str, ...] = (
    "number",
    *(
        column
        for field in customer.EDITABLE
        for column in (_line_columns(field) if field in _LINES else [field])
    ),
    "status",
    "frozen",
)
USER_COLUMNS = ("id", "customer_number", *user.EDITABLE, "role", "active")


class _BadRowOut(BaseModel):
    line: int
    field: str
    rule: str


class ImportOut(BaseModel):
    """What was imported, or with `dry_run` what would be; `line` counts from the header, 1."""

    dry_run: bool
    created: int
    updated: int
    unchanged: int
    errors: list[_BadRowOut]


# -- out ---------------------------------------------------------------------------------------


def customer_cells(found: Customer) -> list[str]:
    cells = {"number": found.number, "status": found.status, "frozen": _word(found.frozen)}
    for field in customer.EDITABLE:
        value = getattr(found, field)
        if field in _LINES:
            padded = [*value, *[""] * _LINES_MAX]
            cells |= dict(zip(_line_columns(field), padded, strict=False))
        else:
            cells[field] = value
    return [cells[column] for column in CUSTOMER_COLUMNS]


def user_cells(row: Any) -> list[str]:
    values = {**row._asdict(), "id": str(row.id), "active": _word(row.active)}
    return [values[column] for column in USER_COLUMNS]


def _word(value: bool) -> str:
    return "true" if value else "false"


# -- in ----------------------------------------------------------------------------------------


def read_customers(content: bytes) -> tuple[list[CustomerRow], list[BadRow]]:
    """The good and the bad rows of a file; raises as `read_csv` does."""
    return _read(content, CUSTOMER_COLUMNS, _customer_row)


def read_users(content: bytes) -> tuple[list[UserRow], list[BadRow]]:
    """The good and the bad rows of a file; raises as `read_csv` does."""
    return _read(content, USER_COLUMNS, _user_row)


def _read(
    content: bytes, columns: tuple[str, ...], make: Callable[[Row], _Made]
) -> tuple[list[_Made], list[BadRow]]:
    good: list[_Made] = []
    bad: list[BadRow] = []
    for row in read_csv(content, columns):
        if isinstance(row, BadRow):
            bad.append(row)
            continue
        try:
            good.append(make(row))
        except InputInvalid as error:
            bad += [BadRow(row.line, e.field, e.rule) for e in error.errors]
        except ValidationError as error:
            bad += [
                BadRow(
                    row.line,
                    ".".join(str(part) for part in e["loc"]),
                    e["msg"].removeprefix("Value error, "),
                )
                for e in error.errors(include_url=False, include_input=False)
            ]
    return good, bad


def _customer_row(row: Row) -> CustomerRow:
    cells: dict[str, Any] = dict(row.cells)
    number = cells.pop("number", "")
    status = cells.pop("status", "") or None
    frozen = _flag("frozen", cells.pop("frozen", ""))
    for field in _LINES:
        columns = [column for column in _line_columns(field) if column in cells]
        if columns:
            cells[field] = [cells.pop(column) for column in columns]
    for field in _DEFAULTED:
        if not cells.get(field):
            cells.pop(field, None)
    values = _edited(CustomerPatch, cells) if number else _made(CustomerIn, cells)
    return CustomerRow(row.line, number, values, status, frozen)


def _user_row(row: Row) -> UserRow:
    cells: dict[str, Any] = dict(row.cells)
    ident = cells.pop("id", "")
    customer_number = cells.pop("customer_number", "")
    active = _flag("active", cells.pop("active", ""))
    if ident:
        try:
            user_id = UUID(ident)
        except ValueError as error:
            raise InputInvalid("id", "must be the id of a user, or empty for a new one") from error
        role = cells.pop("role", None)
        values = _edited(UserPatch, cells)
        return UserRow(row.line, user_id, customer_number, values, role, active)
    if not customer_number:
        raise InputInvalid("customer_number", "must be given for a new user")
    values = _made(UserIn, cells)
    return UserRow(row.line, None, customer_number, values, None, active)


def _made(model: type[InputModel], cells: Mapping[str, Any]) -> dict[str, Any]:
    return model.model_validate(cells).model_dump(exclude_none=True)


def _edited(model: type[InputModel], cells: Mapping[str, Any]) -> dict[str, Any]:
    return model.model_validate(cells).model_dump(exclude_unset=True) if cells else {}


def _flag(field: str, cell: str) -> bool | None:
    try:
        return {"": None, "true": True, "false": False}[cell.strip().lower()]
    except KeyError:
        raise InputInvalid(field, "must be true or false") from None
