"""Answers that are CSV files, made while they are sent."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar

from fastapi.responses import StreamingResponse

from shared.spreadsheet import Cell, csv_text

__all__ = ["CSV_OUT", "streamed_csv"]

CSV_OUT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "All rows"}
}
_T = TypeVar("_T")


def streamed_csv(
    name: str,
    columns: Sequence[str],
    pages: AsyncIterator[Sequence[_T]],
    cells: Callable[[_T], Sequence[Cell]],
) -> StreamingResponse:
    """The file `name`.csv: a header, and a row per item. The pages are read as they are sent."""

    async def lines() -> AsyncIterator[str]:
        yield csv_text([columns])
        async for page in pages:
            yield csv_text(map(cells, page))

    return StreamingResponse(
        lines(),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}.csv"'},
    )
