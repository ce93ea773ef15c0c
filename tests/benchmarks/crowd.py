"""Believable customers in any number: few common names and words, and very many rare ones."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg

from services.customers.domain.customer import Customer
from services.customers.domain.search import search_keys
from shared.clock import new_id
from shared.search import fold

__all__ = ["Crowd", "fill_customers"]

# Words apart from their lists, which would be a line each.
_WORDS = {
    "first": "Anna Peter Maria Hans Luca Giulia Marc Sophie Thomas Andrea Daniel Sandra Martin "
    "Nicole Stefan Claudia Patrick Monika Michael Ursula Jörg Zoë Beat Urs Reto Marco Laura Lena "
    "Noah Emma Leon Mia Paul Emil Ida Max Nina Jan Tim Eva Jonas Lea Simon Julia Fabian Sarah",
    "syllable": "ba be bi bo bu da de di do du fa fe fi fo ga ge gi go ha he hi ho ka ke ki ko la "
    "le li lo ma me mi mo na ne ni no pa pe pi po ra re ri ro sa se si so ta te ti to va ve vi vo "
    "wa we wi wo za ze zi zo schn mey müll bräu ster berg bach mann hof tal feld",
    "trade": "Hotel Bau Treuhand Immobilien Garage Bäckerei Metzgerei Informatik Transport "
    "Logistik Consulting Elektro Sanitär Architektur Praxis Apotheke Restaurant Verlag Druckerei",
    "form": "AG GmbH Sàrl SA Ltd KG Inc",
    "city": "Zürich Genève Basel Bern Lausanne Winterthur Luzern Lugano Biel Thun Köniz Berlin "
    "Hamburg München Köln Frankfurt Wien Paris Lyon Milano Roma",
}
_FIRST, _SYLLABLES, _TRADES, _FORMS, _CITIES = (words.split() for words in _WORDS.values())
_COUNTRIES = ("CH", "DE", "AT", "FR", "IT", "LI")
_SURNAMES = 60_000
_CHUNK = 10_000
_START = datetime(2020, 1, 1, tzinfo=UTC)


class Crowd:
    """Makes the same customers for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self.random = Random(seed)  # noqa: S311 - not for secrets
        self.surnames = [
            "".join(self.random.choices(_SYLLABLES, k=self.random.choice((2, 2, 3, 3)))).title()
            for _ in range(_SURNAMES)
        ]

    def skewed(self, values: "list[str] | tuple[str, ...]") -> str:
        """One of the values; the first ones are much more common."""
        return values[int(len(values) * self.random.random() ** 3)]

    def customer(self, number: int) -> Customer:
        name = self.skewed(self.surnames)
        person = f"{self.skewed(_FIRST)} {name}"
        owner = name if self.random.random() < 0.5 else self.random.choice(self.surnames)
        company = f"{owner} {self.random.choice(_TRADES)} {self.skewed(_FORMS)}"
        if self.random.random() < 0.15:
            company = ""
        rural = self.random.random() < 0.5
        return Customer(
            id=new_id(),
            version=1,
            number=f"K-{number}",
            company_name=company,
            contact_name=person,
            address_lines=("Hauptstrasse 1",),
            postcode="1000",
            city=f"{self.skewed(self.surnames)}wil" if rural else self.skewed(_CITIES),
            country=self.skewed(_COUNTRIES),
            time_zone="Europe/Zurich",
            language="de",
            currency="CHF",
            email=f"{fold(person).replace(' ', '.')}@{fold(owner)}.example",
            status="deactivated" if self.random.random() < 0.02 else "active",
        )


async def fill_customers(
    database: str, count: int, crowd: Crowd, advance: Callable[[int], None]
) -> None:
    """Put so many customers into an empty database, with what is searched of them."""
    connection = await asyncpg.connect(database)
    try:
        # A third of the time: an index is built faster than it is fed.
        definition = await connection.fetchval(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_customer_search_keys'"
        )
        await connection.execute("DROP INDEX ix_customer_search_keys")
        for customers in _chunks(count, crowd):
            await connection.copy_records_to_table(
                "customers", columns=_COLUMNS, records=[_record(c) for c in customers]
            )
            await connection.copy_records_to_table(
                "customer_search",
                records=[(c.id, search_keys(c.id, _fields(c))) for c in customers],
            )
            advance(len(customers))
        await connection.execute("SET maintenance_work_mem = '512MB'")
        await connection.execute(definition)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def _chunks(count: int, crowd: Crowd) -> Iterator[list[Customer]]:
    for start in range(0, count, _CHUNK):
        yield [crowd.customer(n + 10_001) for n in range(start, min(count, start + _CHUNK))]


_COLUMNS = [
    "id", "version", "number", "number_value", "company_name", "contact_name", "sort_name",
    "address_lines", "postcode", "city", "country", "time_zone", "language", "currency", "email",
    "phone", "website", "vat_id", "billing_name", "billing_email", "billing_address",
    "billing_note", "status", "frozen", "created_at", "updated_at",
]  # fmt: skip


def _fields(c: Customer) -> dict[str, str]:
    return {
        "company_name": c.company_name, "contact_name": c.contact_name, "city": c.city,
        "email": c.email, "number": c.number, "country": c.country, "status": c.status,
    }  # fmt: skip


def _record(c: Customer) -> tuple[UUID | Any, ...]:
    at = _START + timedelta(seconds=c.number_value)
    return (
        c.id, c.version, c.number, c.number_value, c.company_name, c.contact_name,
        fold(c.shown_name), '["Hauptstrasse 1"]', c.postcode, c.city, c.country, c.time_zone,
        c.language, c.currency, c.email, "", "", "", "", "", "[]", "", c.status, c.frozen, at, at,
    )  # fmt: skip
