"""What an invoice costs: lines -> VAT -> totals, for the preview and for the opening alike.

Amounts are integer minor units, rates are percent. All arithmetic is on integers, so nothing is
rounded but the results named here, each once and half away from zero.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from shared.money import EXACT, MINOR_LIMIT, MoneyError, divide_half_up, exponent

__all__ = [
    "EU",
    "Basis",
    "InvoicingError",
    "Line",
    "TaxTreatment",
    "Totals",
    "VatRate",
    "VatRow",
    "price_invoice",
    "sum_up",
    "tax_treatment",
    "vat_percent",
]

Basis = Literal["net", "gross"]
TaxTreatment = Literal["standard", "reverse_charge", "export", "exempt"]

LINES_MAX: Final = 1_000
QUANTITY_MAX: Final = 10**9
UNIT_PRICE_MAX: Final = 10**12
ROUNDING_MAX: Final = 10_000


class _Limits(NamedTuple):
    decimals: int
    low: int
    high: int


_QUANTITY: Final = _Limits(6, -QUANTITY_MAX, QUANTITY_MAX)
_UNIT_PRICE: Final = _Limits(4, -UNIT_PRICE_MAX, UNIT_PRICE_MAX)
_PERCENT: Final = _Limits(4, 0, 100)
_WHOLE: Final = _PERCENT.high * 10**_PERCENT.decimals
_LINE_SCALE: Final = 10 ** (_QUANTITY.decimals + _UNIT_PRICE.decimals) * _WHOLE

# fmt: off
EU: Final = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
    "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
})
# fmt: on


class InvoicingError(ValueError):
    """An input breaks a rule: `field` such as "lines[2].unit_price", and the `rule` in words."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(field, rule)
        self.field = field
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is charged; `unit_price` in major units (at most 4 decimals), negative for a credit.

    `basis` says whether the price is without (net) or with (gross) the VAT of `vat_rate` percent.
    """

    quantity: Decimal
    unit_price: Decimal
    basis: Basis
    discount_percent: Decimal = Decimal(0)
    vat_rate: Decimal


@dataclass(frozen=True, slots=True)
class VatRow:
    """The VAT of all lines of one rate and basis; net + vat = gross (EN 16931 BG-23)."""

    rate: Decimal
    basis: Basis
    net_minor: int
    vat_minor: int
    gross_minor: int


@dataclass(frozen=True, slots=True)
class Totals:
    """The amounts of an invoice in minor units, with `line_totals_minor` in the order of the lines.

    `subtotal_minor` is the sum of the line totals as they stand, net and gross, and `vat_minor`
    the sum of all rows. `total_minor` = gross of all rows + `rounding_minor` (EN 16931 BT-114).
    """

    line_totals_minor: tuple[int, ...]
    vat: tuple[VatRow, ...]
    subtotal_minor: int
    vat_minor: int
    rounding_minor: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class VatRate:
    """A row of the seller's VAT table, in force on days of the half-open [valid_from, valid_to)."""

    country: str
    category: str
    percent: Decimal
    valid_from: date
    valid_to: date | None


def price_invoice(
    lines: Sequence[Line], currency: str, *, rounding_minor: int = 1, draft: bool = False
) -> Totals:
    """Compute line totals, VAT per rate and the total of one invoice.

    - A line total is quantity x unit price x (100 - discount %), rounded once.
    - Net lines: VAT = sum x r / 100 per rate (EN 16931 BR-CO-17), and lines + VAT + rounding =
      total (BR-CO-15).
    - Gross lines: VAT = sum x r / (100 + r) per rate, and lines + rounding = total.
    - Both on one invoice add up.

    `rounding_minor` is the cash rounding increment in minor units: 5 for CHF 0.05, 1 for none.
    A `draft` may have no lines yet, and a negative total.

    Raises:
        InvoicingError: An input is out of its limits, or the total would be negative.
    """
    lines_min = 0 if draft else 1
    if not lines_min <= len(lines) <= LINES_MAX:
        raise InvoicingError("lines", f"must be {lines_min} to {LINES_MAX}")
    if not 1 <= rounding_minor <= ROUNDING_MAX:
        raise InvoicingError("rounding_minor", f"must be 1 to {ROUNDING_MAX}")
    try:
        major = 10 ** exponent(currency)
    except MoneyError as error:
        raise InvoicingError("currency", "must be an active ISO 4217 code") from error

    line_totals = []
    sums: dict[tuple[Decimal, Basis], int] = {}
    for index, line in enumerate(lines):
        line_total = _line_total(line, index, major)
        line_totals.append(line_total)
        rate_and_basis = line.vat_rate, line.basis
        sums[rate_and_basis] = sums.get(rate_and_basis, 0) + line_total
    rows, total = sum_up(sums, rounding_minor=rounding_minor)
    if sum(row.gross_minor for row in rows) < 0 and not draft:
        raise InvoicingError("total", "must not be negative")
    if abs(total) >= MINOR_LIMIT:
        raise InvoicingError("total", "must be below 10^15 minor units")
    return Totals(
        line_totals_minor=tuple(line_totals),
        vat=rows,
        subtotal_minor=sum(line_totals),
        vat_minor=sum(row.vat_minor for row in rows),
        rounding_minor=total - sum(row.gross_minor for row in rows),
        total_minor=total,
    )


def sum_up(
    sums: Mapping[tuple[Decimal, Basis], int], *, rounding_minor: int
) -> tuple[tuple[VatRow, ...], int]:
    """Return the VAT rows of line totals per rate and basis, and their gross, rounded for cash.

    What is credited of an invoice is the difference between two of these, so that parts that make
    up the whole also make up its VAT and its total.
    """
    rows = tuple(_vat_row(rate, basis, total) for (rate, basis), total in sorted(sums.items()))
    exact = sum(row.gross_minor for row in rows)
    return rows, divide_half_up(exact, rounding_minor) * rounding_minor


def _line_total(line: Line, index: int, major: int) -> int:
    if line.basis not in {"net", "gross"}:
        raise InvoicingError(f"lines[{index}].basis", "must be net or gross")
    quantity = _scaled(line, index, "quantity", _QUANTITY)
    price = _scaled(line, index, "unit_price", _UNIT_PRICE)
    discount = _scaled(line, index, "discount_percent", _PERCENT)
    _scaled(line, index, "vat_rate", _PERCENT)
    total = divide_half_up(quantity * price * (_WHOLE - discount) * major, _LINE_SCALE)
    if not -MINOR_LIMIT < total < MINOR_LIMIT:
        raise InvoicingError(f"lines[{index}].total", "must be below 10^15 minor units")
    return total


def _scaled(line: Line, index: int, name: str, limits: _Limits) -> int:
    """Return an attribute of the line x 10^decimals: exact, or refused."""
    value: Decimal = getattr(line, name)
    decimals, low, high = limits
    if not value.is_finite() or not low <= value <= high:
        raise InvoicingError(f"lines[{index}].{name}", f"must be {low} to {high}")
    shifted = value.scaleb(decimals, EXACT)
    scaled = int(shifted)
    if scaled != shifted:
        raise InvoicingError(f"lines[{index}].{name}", f"must have at most {decimals} decimals")
    return scaled


def _vat_row(rate: Decimal, basis: Basis, total: int) -> VatRow:
    percent, unit = rate.as_integer_ratio()
    if basis == "net":
        vat = divide_half_up(total * percent, 100 * unit)
        return VatRow(rate, basis, total, vat, total + vat)
    vat = divide_half_up(total * percent, 100 * unit + percent)
    return VatRow(rate, basis, total - vat, vat, total)


def vat_percent(table: Iterable[VatRate], country: str, category: str, on: date) -> Decimal:
    """Return the rate in percent of a category in a country on the day of supply.

    Raises:
        InvoicingError: The table has no rate for that day, or contradicts itself.
    """
    percents = {
        rate.percent
        for rate in table
        if (rate.country, rate.category) == (country, category)
        and rate.valid_from <= on
        and (rate.valid_to is None or on < rate.valid_to)
    }
    if len(percents) != 1:
        found = "more than one rate" if percents else "no rate"
        raise InvoicingError("vat_rate", f"{found} for {category} in {country} on {on}")
    return percents.pop()


def tax_treatment(
    seller_countries: Collection[str],
    buyer_country: str,
    buyer_is_company: bool,
    buyer_vat_id: str | None,
) -> TaxTreatment:
    """Decide how a digital service is taxed; countries are ISO 3166-1 alpha-2 (Greece is GR).

    `seller_countries` are those where the seller is registered for VAT, home first. All but
    "standard" mean rate 0; "exempt" is only ever set by the operator. By Directive 2006/112/EC:

    - Buyer where the seller is registered: standard, at that country's rate.
    - EU company with a VAT id, seller registered elsewhere in the EU: reverse charge. The place of
      supply is the buyer's (Article 44) and the buyer owes the VAT (Article 196).
    - Other buyers in the EU: standard, at the rate of the seller's first EU registration.
    - Anyone else: export, outside the scope of the seller's VAT.

    Limits: private buyers in another EU country stay at the seller's rate, which the Directive
    allows only below its yearly threshold (Articles 58, 59c); the One Stop Shop is not covered.
    Nor are areas that count as another country's (Monaco, Liechtenstein): list them as a
    registration with rates of their own, or override the treatment.

    Raises:
        InvoicingError: The seller is registered nowhere.
    """
    if not seller_countries:
        raise InvoicingError("seller_countries", "must name at least the home country")
    if buyer_country in seller_countries:
        return "standard"
    if buyer_country not in EU or EU.isdisjoint(seller_countries):
        return "export"
    return "reverse_charge" if buyer_is_company and buyer_vat_id else "standard"
