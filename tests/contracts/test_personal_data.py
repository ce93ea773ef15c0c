"""Names, addresses and e-mails of customers travel on the customers service's topics only."""

import json
from datetime import UTC, date, datetime
from typing import Any, ClassVar
from uuid import UUID

import pytest

from services.billing.domain.amending import void as void_invoice
from services.billing.domain.invoice import Payment, record_payment
from services.billing.domain.opening import open_requested, quote_request
from services.billing.use_cases import announcements
from shared.events import Event, Part
from shared.events.billing import SETTINGS, SettingsChanged
from shared.events.customers import CUSTOMERS, CustomerState
from shared.events.subscriptions import InvoiceRequested
from shared.money import Money
from tests.contracts.catalogue import EVENTS, event_id, field_paths, golden

# What a customer is, without telling who it is.
NEUTRAL = {
    "active",
    "country",
    "currency",
    "customer_id",
    "erased_at",
    "frozen",
    "language",
    "number",
    "status",
    "time_zone",
    "user_id",
    "version",
}
OF_CUSTOMERS = [e for e in EVENTS if e.TOPIC.owner == CUSTOMERS.owner]
OF_OTHERS = [e for e in EVENTS if e.TOPIC.owner != CUSTOMERS.owner and e.TOPIC != SETTINGS]
PERSONAL = {
    path.rpartition(".")[2] for event in OF_CUSTOMERS for path in field_paths(event)
} - NEUTRAL
# Words of which a field of a person's data would be made, whatever it is called exactly.
WORDS = {
    "address",
    "addressee",
    "birth",
    "birthday",
    "buyer",
    "contact",
    "email",
    "firstname",
    "iban",
    "mail",
    "mobile",
    "person",
    "phone",
    "postcode",
    "recipient",
    "salutation",
    "street",
    "surname",
    "website",
}
WHO = {"first_name", "full_name", "user_name", "username", "customer_name", "recorded_by"}


def looks_personal(path: str) -> bool:
    name = path.rpartition(".")[2]
    return name in PERSONAL | WHO or not WORDS.isdisjoint(name.split("_"))


def personal_fields(event: type[Event]) -> list[str]:
    return sorted(path for path in field_paths(event) if looks_personal(path))


def test_what_is_personal_is_known() -> None:
    assert {"company_name", "contact_name", "email", "address_lines", "billing_note"} <= PERSONAL
    assert {"first_name", "surname", "salutation", "role"} <= PERSONAL
    assert all(
        bool(personal_fields(event)) != event.TYPE.endswith(".erased") for event in OF_CUSTOMERS
    )


@pytest.mark.parametrize("event", OF_OTHERS, ids=event_id)
def test_no_other_topic_has_a_field_for_personal_data(event: type[Event]) -> None:
    assert personal_fields(event) == []


def test_a_field_for_personal_data_would_be_noticed() -> None:
    class Contact(Part):
        phone: str

    class Leaky(Event):
        TYPE: ClassVar[str] = "leaky.told"
        contacts: tuple[Contact, ...]
        billing_email: str

    assert personal_fields(Leaky) == ["billing_email", "contacts.phone"]


def test_no_other_example_tells_who_the_customer_is() -> None:
    told = [
        value
        for event in OF_CUSTOMERS
        for kind in ("", ".minimal")
        for name, value in golden(event, kind).items()
        if name in PERSONAL
    ]
    secrets = {text for value in told for text in (value if isinstance(value, list) else [value])}
    for event in OF_OTHERS:
        for kind in ("", ".minimal"):
            body = json.dumps(golden(event, kind), ensure_ascii=False)
            assert [secret for secret in secrets if secret and secret in body] == []


# -- a canary through what billing says about an invoice, which knows the whole customer ----------

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
CANARY = "Kanarienvogel"


def invoice_events() -> list[Event]:
    request = InvoiceRequested.model_validate_json(
        json.dumps(golden(next(e for e in EVENTS if e is InvoiceRequested), ".minimal"))
    )
    seller = SettingsChanged.model_validate_json(
        json.dumps(
            {
                **golden(SettingsChanged),
                "vat_rates": [
                    {
                        "country": "CH",
                        "category": "standard",
                        "percent": "8.1",
                        "valid_from": "2024-01-01",
                    }
                ],
            }
        )
    )
    customer: dict[str, Any] = {
        name: f"{CANARY} {name}" for name in CustomerState.model_fields if name not in NEUTRAL
    } | {"country": "CH", "language": "de", "customer_id": str(request.customer_id)}
    opened = open_requested(
        request,
        quote_request(request, customer, seller, date(2026, 1, 31)),
        customer,
        seller,
        invoice_id=UUID("0199f3a2-11c4-7e90-8a5d-6f0b7c9d1e23"),
        number="INV-2026-0001",
        invoice_date=date(2026, 1, 31),
        now=NOW,
    )

    def pay(amount: str) -> Any:
        payment = Payment(
            id=UUID("0199f3a2-11c4-7e90-8a5d-6f0b7c9d1e24"),
            invoice_id=opened.id,
            customer_id=opened.customer_id,
            amount=Money.parse(amount, "CHF"),
            method="bank_transfer",
            reference=f"{CANARY} reference",
            received_on=date(2026, 1, 31),
            recorded_at=NOW,
            recorded_by=f"{CANARY} operator",
        )
        return record_payment(opened, payment, today=date(2026, 1, 31))

    assert CANARY in json.dumps(dict(opened.buyer))
    return [
        announcements.opened_event(opened),
        announcements.partially_paid_event(pay("1.00")),
        announcements.paid_event(pay("52.95")),
        announcements.voided_event(void_invoice(opened, now=NOW)),
    ]


@pytest.mark.parametrize("event", invoice_events(), ids=lambda event: event.TYPE)
def test_what_billing_says_about_an_invoice_does_not_tell_whose_it_is(event: Event) -> None:
    assert CANARY not in event.model_dump_json()
