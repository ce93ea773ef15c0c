from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from services.billing import schemas
from services.billing.api.shapes import invoice_out
from services.billing.domain.lists import Shown, Wanted
from services.billing.use_cases import journal, lists
from shared.auth import Call, access
from shared.csv_answers import CSV_OUT, streamed_csv
from shared.http import new_router
from shared.paging import LIMIT_DEFAULT, LIMIT_MAX

__all__ = ["router"]

router = new_router()

Typed = Annotated[str, Query(max_length=200)]
Currency = Annotated[str | None, Query(pattern="^[A-Z]{3}$")]
FromDate = Annotated[date | None, Query(alias="from")]
ToDate = Annotated[date | None, Query(alias="to")]
Sort = Annotated[str, Query(max_length=20)]


@router.get("/invoices")
async def list_invoices(
    call: Annotated[Call, access("invoices:read", per_customer=True)],
    q: Typed = "",
    customer_id: UUID | None = None,
    state: Shown | None = None,
    currency: Currency = None,
    from_date: FromDate = None,
    to_date: ToDate = None,
    sort: Sort = "-date",
    hidden: bool = False,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> schemas.InvoicesOut:
    """In the order `sort`: `date`, `number`, `customer`, `amount` or `due`, with `-` downwards.

    `q` is a number or its end, or words of the title or of the customer's name, which may be half
    typed or misspelt; it finds the newest hundred of each title and customer. `from` and `to` are
    dates of invoices; a draft has the day it was made on. `hidden`: those that were deleted.
    """
    wanted = Wanted(
        customer_id, call.caller.customer_ids, state, currency, from_date, to_date, hidden
    )
    invoices, following = await lists.list_invoices(
        call.tx, wanted, q, sort=sort, after=after, limit=limit, now=call.now
    )
    return schemas.InvoicesOut(items=[invoice_out(i, call.now) for i in invoices], next=following)


@router.get("/invoices/export", response_class=StreamingResponse, responses=CSV_OUT)
async def export_invoices(
    request: Request,
    call: Annotated[Call, access("invoices:read", per_customer=True)],
    q: Typed = "",
    customer_id: UUID | None = None,
    state: Shown | None = None,
    currency: Currency = None,
    from_date: FromDate = None,
    to_date: ToDate = None,
    sort: Sort = "-date",
    hidden: bool = False,
) -> StreamingResponse:
    """The whole list as a CSV file. Cells that a spreadsheet could run begin with an apostrophe."""
    wanted = Wanted(
        customer_id, call.caller.customer_ids, state, currency, from_date, to_date, hidden
    )
    lists.check(sort, q)
    pages = lists.all_invoices(request.app.state.database, wanted, q, sort=sort, now=call.now)
    return streamed_csv("invoices", schemas.INVOICE_COLUMNS, pages, schemas.invoice_cells)


@router.get("/journal", response_class=StreamingResponse, responses=CSV_OUT)
async def export_journal(
    request: Request,
    call: Annotated[Call, access("invoices:read")],
    from_date: Annotated[date, Query(alias="from")],
    to_date: Annotated[date, Query(alias="to")],
) -> StreamingResponse:
    """Everything that was booked on these days, for bookkeeping: both days, a year at most.

    Per currency, from the beginning: what is open = revenue + rounding + forfeit - money + balance
    + unallocated.
    """
    journal.check_period(from_date, to_date)
    pages = journal.read_journal(request.app.state.database, from_date, to_date, now=call.now)
    return streamed_csv("journal", schemas.JOURNAL_COLUMNS, pages, schemas.booking_cells)
