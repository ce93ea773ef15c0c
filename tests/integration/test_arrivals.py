"""Money that comes by a provider: booked where it belongs, or kept until somebody decides."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.clock import new_id
from shared.events.billing import INVOICES, InvoicePaid, InvoicePaymentReversed, PaymentUnallocated
from shared.events.subscriptions import InvoiceRequested, InvoiceRequestWithdrawn, RequestedLine
from shared.money import Money
from tests.integration.steps import invoice_requested, new_customer, paid, stored
from tests.provider import Message, PaymentProvider, chf
from tests.system import System, eventually


@pytest.fixture(scope="module")
async def provider(system: System) -> PaymentProvider:
    await system.seeded()
    return await PaymentProvider.of(system)


async def opened(system: System, **different: Any) -> Any:
    """An invoice over CHF 52.95."""
    customer = UUID((await new_customer(system))["id"])
    request = invoice_requested(customer, **different)
    await system.send(request)
    return await system.invoice_of(str(request.request_id))


async def replaced(system: System) -> tuple[Any, Any]:
    """An invoice that is void, and the one of CHF 52.95 in its place."""
    customer = UUID((await new_customer(system))["id"])
    lines = tuple(
        RequestedLine(
            subscription_id=new_id(),
            title="Team",
            unit_price="49.00",
            basis="net",
            vat_category="standard",
            cycle="monthly",
        )
        for _ in range(2)
    )
    request = invoice_requested(customer, lines=lines, expected_total=Money(10595, "CHF"))
    await system.send(request)
    before = await system.invoice_of(str(request.request_id))
    await system.send(withdrawal(request, lines[0].subscription_id))

    async def look() -> Any:
        found = await system.get(f"/invoices/{before['id']}")
        return found if found["replaced_by"] else None

    old = await eventually(look, "the invoice to be replaced")
    return old, await system.get(f"/invoices/{old['replaced_by']}")


def withdrawal(request: InvoiceRequested, subscription_id: Any) -> InvoiceRequestWithdrawn:
    return InvoiceRequestWithdrawn(
        customer_id=request.customer_id,
        request_id=request.request_id,
        subscription_ids=(subscription_id,),
        reason="dropped",
    )


async def unallocated(system: System, payment_id: str) -> Any:
    page = await system.get("/unallocated-payments")
    found = [item for item in page["items"] if item["reference"] == payment_id]
    return found[0] if found else None


async def balance(system: System, invoice: Any) -> list[str]:
    found = await system.get(f"/customers/{invoice['customer_id']}/balance")
    return [amount["amount"] for amount in found["balances"]]


async def told(system: System, kind: Any, **wanted: Any) -> list[Any]:
    found = [e for e in await system.events(INVOICES) if isinstance(e, kind)]
    return [e for e in found if all(str(getattr(e, k)) == str(v) for k, v in wanted.items())]


def reference() -> str:
    return f"pay_{uuid4().hex}"


# -- where it goes -----------------------------------------------------------------------------


async def test_money_for_an_open_invoice_pays_it(system: System, provider: PaymentProvider) -> None:
    invoice, payment_id = await opened(system), reference()

    outcome = await provider.says(
        "received",
        payment_id=payment_id,
        amount=chf("52.95"),
        invoice=invoice["number"],
        method="card",
    )

    assert outcome == "booked"
    assert (await system.get(f"/invoices/{invoice['id']}"))["state"] == "paid"
    (payment,) = (await system.get(f"/invoices/{invoice['id']}/payments"))["items"]
    assert (payment["method"], payment["recorded_by"]) == ("card", "standard")
    assert payment["reference"] == f"standard {payment_id}"
    assert await unallocated(system, payment_id) is None


@pytest.mark.parametrize(
    ("amount", "state", "open_amount", "credit"),
    [("20.00", "open", "32.95", []), ("60.00", "paid", "0.00", ["7.05"])],
)
async def test_any_amount_in_its_currency_is_booked(
    system: System,
    provider: PaymentProvider,
    amount: str,
    state: str,
    open_amount: str,
    credit: list[str],
) -> None:
    invoice = await opened(system)

    outcome = await provider.says(
        "received", payment_id=reference(), amount=chf(amount), invoice=invoice["id"]
    )

    assert outcome == "booked"
    now = await system.get(f"/invoices/{invoice['id']}")
    assert (now["state"], now["open_amount"]["amount"]) == (state, open_amount)
    assert await balance(system, invoice) == credit


async def test_a_second_payment_of_a_paid_invoice_becomes_credit(
    system: System, provider: PaymentProvider
) -> None:
    invoice = await opened(system)
    await paid(system, invoice)

    outcome = await provider.says(
        "received", payment_id=reference(), amount=chf("52.95"), invoice=invoice["id"]
    )

    assert outcome == "booked"
    now = await system.get(f"/invoices/{invoice['id']}")
    assert (now["state"], now["paid"]["amount"], now["surplus"]["amount"]) == (
        "paid",
        "105.90",
        "52.95",
    )
    assert await balance(system, invoice) == ["52.95"]
    (entry,) = (await system.get(f"/customers/{invoice['customer_id']}/balance"))["items"]
    assert entry["origin"] == "overpayment"
    assert len(await told(system, InvoicePaid, invoice_id=invoice["id"])) == 1


async def test_a_replaced_invoice_passes_it_on(system: System, provider: PaymentProvider) -> None:
    old, new = await replaced(system)

    outcome = await provider.says(
        "received", payment_id=reference(), amount=chf("105.95"), invoice=old["number"]
    )

    assert outcome == "booked"
    assert (await system.get(f"/invoices/{old['id']}"))["state"] == "void"
    now = await system.get(f"/invoices/{new['id']}")
    assert (now["state"], now["surplus"]["amount"]) == ("paid", "53.00")
    assert await balance(system, new) == ["53.00"]


@pytest.mark.parametrize(
    ("why", "currency"),
    [
        ("invoice_void", "CHF"),
        ("invoice_credited", "CHF"),
        ("invoice_unknown", "CHF"),
        ("currency_differs", "EUR"),
    ],
)
async def test_what_cannot_be_booked_is_kept_and_told(
    system: System, provider: PaymentProvider, why: str, currency: str
) -> None:
    invoice, payment_id = await opened(system), reference()
    named = "whatever somebody typed" if why == "invoice_unknown" else invoice["number"]
    if why == "invoice_void":
        await system.post(f"/invoices/{invoice['id']}/void", expect=200)
    if why == "invoice_credited":
        await system.post(f"/invoices/{invoice['id']}/credit-notes", {})
    state = (await system.get(f"/invoices/{invoice['id']}"))["state"]

    outcome = await provider.says(
        "received", payment_id=payment_id, amount=chf("52.95", currency), invoice=named
    )

    assert outcome == "unallocated"
    kept = await unallocated(system, payment_id)
    assert (kept["state"], kept["why"], kept["named"]) == ("open", why, named)
    assert kept["left"] == kept["amount"] == chf("52.95", currency)
    assert kept["invoice_id"] == (None if why == "invoice_unknown" else invoice["id"])
    assert (await system.get(f"/invoices/{invoice['id']}"))["state"] == state

    async def look() -> Any:
        return await told(system, PaymentUnallocated, reference=payment_id) or None

    (event,) = await eventually(look, "payment.unallocated")
    assert (event.why, event.amount) == (why, Money(5295, currency))
    assert event.unallocated_payment_id == UUID(kept["id"])


# -- once, and only by whom it says --------------------------------------------------------------


async def test_the_same_message_and_the_same_payment_have_one_effect(
    system: System, provider: PaymentProvider
) -> None:
    invoice, payment_id = await opened(system), reference()
    data = {"payment_id": payment_id, "amount": chf("20.00"), "invoice": invoice["id"]}
    message = Message.of("payment.received", **data)

    answers = await asyncio.gather(*(provider.send(message) for _ in range(20)))

    assert {answer.status_code for answer in answers} <= {200, 409, 503}
    outcomes = [a.json()["outcome"] for a in answers if a.status_code == 200]
    assert outcomes.count("booked") == 1
    assert set(outcomes) == {"booked", "known"}
    # Another message about the same payment.
    assert await provider.says("received", **data) == "known"
    assert (await system.get(f"/invoices/{invoice['id']}"))["paid"]["amount"] == "20.00"


async def test_an_unsigned_or_altered_message_changes_nothing(
    system: System, provider: PaymentProvider
) -> None:
    invoice = await opened(system)
    data = {"payment_id": reference(), "amount": chf("52.95"), "invoice": invoice["id"]}
    good = Message.of("payment.received", **data)
    for bad in (
        Message(good.body.replace(b"52.95", b"99.95"), good.headers),
        Message(good.body, {**good.headers, "webhook-id": "evt_other"}),
        Message(good.body, {**good.headers, "webhook-timestamp": "1700000000"}),
        Message(good.body, {}),
        Message.of("payment.received", secret="whsec_" + "B" * 32, **data),
    ):
        answer = await provider.send(bad)
        assert answer.status_code == 401
        assert answer.json()["type"] == "urn:kontor:problem:signature_invalid"
    assert (await system.get(f"/invoices/{invoice['id']}"))["state"] == "open"
    # A token is no signature.
    answer = await system.api.post("/payment-events/standard", content=good.body)
    assert answer.status_code == 401


async def test_a_provider_without_a_secret_is_not_there(
    system: System, provider: PaymentProvider
) -> None:
    message = Message.of("payment.received", payment_id="p", amount=chf("1.00"))
    for name in ("stripe", "whoever"):
        assert (await provider.send(message, name=name)).status_code == 404


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"payment_id": "p", "amount": chf("0.00")}, "data.amount.amount"),
        ({"payment_id": "p"}, "data.amount"),
        ({"payment_id": "p\0", "amount": chf("1.00")}, "reference"),
        ({"payment_id": "p", "amount": chf("1.00"), "invoice": "\ud800"}, ""),
    ],
)
async def test_a_signed_message_that_is_wrong_is_refused_with_its_field(
    system: System, provider: PaymentProvider, data: dict[str, Any], field: str
) -> None:
    before = await stored(system, "billing", "SELECT count(*) FROM provider_events")
    answer = await provider.send(Message.of("payment.received", **data))

    assert answer.status_code == 422
    assert field in answer.json()["errors"][0]["field"]
    assert await stored(system, "billing", "SELECT count(*) FROM provider_events") == before


async def test_a_message_that_is_too_large_is_refused(provider: PaymentProvider) -> None:
    message = Message.of("payment.received", payment_id="p" * 300_000, amount=chf("1.00"))

    assert (await provider.send(message)).status_code == 422


async def test_what_is_not_about_money_is_ignored(provider: PaymentProvider) -> None:
    assert await provider.says("pondered", payment_id="p") == "ignored"


# -- when it goes again ----------------------------------------------------------------------------


async def test_money_taken_back_is_owed_again(system: System, provider: PaymentProvider) -> None:
    invoice, payment_id = await opened(system), reference()
    data = {"payment_id": payment_id, "amount": chf("52.95"), "invoice": invoice["id"]}
    await provider.says("received", **data)

    outcome = await provider.says("reversed", payment_id=payment_id, reason="disputed")

    assert outcome == "reversed"
    now = await system.get(f"/invoices/{invoice['id']}")
    assert (now["state"], now["open_amount"]["amount"]) == ("open", "52.95")
    (payment,) = (await system.get(f"/invoices/{invoice['id']}/payments"))["items"]
    assert (payment["reversal_reason"], payment["reversed_by"]) == ("disputed", "standard")
    assert await provider.says("reversed", payment_id=payment_id) == "known"

    async def look() -> Any:
        return await told(system, InvoicePaymentReversed, invoice_id=invoice["id"]) or None

    assert len(await eventually(look, "invoice.payment_reversed")) == 1


async def test_a_part_taken_back_leaves_the_rest(system: System, provider: PaymentProvider) -> None:
    invoice, payment_id = await opened(system), reference()
    data = {"payment_id": payment_id, "amount": chf("52.95"), "invoice": invoice["id"]}
    await provider.says("received", **data)
    back = {"payment_id": payment_id, "reversal_id": "r1"}

    assert await provider.says("reversed", **back, amount=chf("10.00")) == "reversed"
    now = await system.get(f"/invoices/{invoice['id']}")
    assert (now["state"], now["open_amount"]["amount"]) == ("open", "10.00")

    # In all, not once more; what is older says less.
    assert await provider.says("reversed", **back, amount=chf("12.00")) == "reversed"
    assert await provider.says("reversed", **back, amount=chf("10.00")) == "known"
    now = await system.get(f"/invoices/{invoice['id']}")
    assert now["open_amount"]["amount"] == "12.00"

    # Another one counts beside it.
    other = {"payment_id": payment_id, "reversal_id": "r2", "amount": chf("40.95")}
    assert await provider.says("reversed", **other) == "reversed"
    now = await system.get(f"/invoices/{invoice['id']}")
    assert (now["open_amount"]["amount"], now["paid"]["amount"]) == ("52.95", "0.00")


async def test_it_may_be_told_to_be_gone_before_it_is_told_to_be_there(
    system: System, provider: PaymentProvider
) -> None:
    invoice, payment_id = await opened(system), reference()
    data = {"payment_id": payment_id, "amount": chf("52.95"), "invoice": invoice["id"]}

    assert await provider.says("reversed", payment_id=payment_id) == "waiting"
    assert await provider.says("received", **data) == "reversed"

    now = await system.get(f"/invoices/{invoice['id']}")
    assert (now["state"], now["paid"]["amount"]) == ("open", "0.00")


async def test_what_is_unallocated_may_be_taken_back_too(
    system: System, provider: PaymentProvider
) -> None:
    payment_id = reference()
    await provider.says("received", payment_id=payment_id, amount=chf("30.00"))

    assert await provider.says("reversed", payment_id=payment_id, amount=chf("10.00")) == "reversed"
    kept = await unallocated(system, payment_id)
    assert (kept["state"], kept["left"]["amount"]) == ("open", "20.00")
    assert await provider.says("reversed", payment_id=payment_id, amount=chf("30.00")) == "reversed"
    kept = await unallocated(system, payment_id)
    assert (kept["state"], kept["left"]["amount"]) == ("refunded", "0.00")
    assert [entry["kind"] for entry in kept["entries"]] == ["reversed", "reversed"]


async def test_what_an_operator_has_reversed_is_not_reversed_once_more(
    system: System, provider: PaymentProvider
) -> None:
    invoice, payment_id = await opened(system), reference()
    data = {"payment_id": payment_id, "amount": chf("52.95"), "invoice": invoice["id"]}
    await provider.says("received", **data)
    (payment,) = (await system.get(f"/invoices/{invoice['id']}/payments"))["items"]
    reverse = f"/payments/{payment['id']}/reverse"
    await system.post(reverse, {"reason": "by hand"}, expect=200)

    assert await provider.says("reversed", payment_id=payment_id) == "known"


# -- what an operator does with it -----------------------------------------------------------------


async def kept_of(system: System, provider: PaymentProvider, amount: str) -> Any:
    payment_id = reference()
    assert (
        await provider.says("received", payment_id=payment_id, amount=chf(amount)) == "unallocated"
    )
    return await unallocated(system, payment_id)


async def test_unallocated_money_is_assigned_in_parts(
    system: System, provider: PaymentProvider
) -> None:
    kept = await kept_of(system, provider, "100.00")
    first, second = await opened(system), await opened(system)
    path = f"/unallocated-payments/{kept['id']}"

    part = {"invoice_id": first["id"], "amount": chf("52.95")}
    answer = await system.post(f"{path}/assign", part, expect=200)
    assert answer["invoice"]["state"] == "paid"
    assert answer["unallocated_payment"]["state"] == "open"
    assert answer["unallocated_payment"]["left"]["amount"] == "47.05"

    answer = await system.post(f"{path}/assign", {"invoice_id": second["id"]}, expect=200)
    assert answer["invoice"]["open_amount"]["amount"] == "5.90"
    settled = answer["unallocated_payment"]
    assert (settled["state"], settled["left"]["amount"]) == ("assigned", "0.00")
    assert [entry["invoice_id"] for entry in settled["entries"]] == [first["id"], second["id"]]

    for act, body in (("assign", {"invoice_id": second["id"]}), ("refund", {"note": "back"})):
        refused = await system.post(f"{path}/{act}", body, expect=409)
        assert refused["type"].endswith("unallocated_payment_assigned")


async def test_unallocated_money_is_given_back(system: System, provider: PaymentProvider) -> None:
    kept = await kept_of(system, provider, "100.00")
    path = f"/unallocated-payments/{kept['id']}/refund"

    answer = await system.post(path, {"note": "to CH93 example"}, expect=200)

    assert (answer["state"], answer["left"]["amount"]) == ("refunded", "0.00")
    (entry,) = answer["entries"]
    assert (entry["kind"], entry["note"]) == ("refunded", "to CH93 example")
    listed = (await system.get("/unallocated-payments", state="refunded"))["items"]
    assert kept["id"] in [item["id"] for item in listed]
    listed = (await system.get("/unallocated-payments", state="open"))["items"]
    assert kept["id"] not in [item["id"] for item in listed]
    assert await system.get(f"/unallocated-payments/{kept['id']}") == answer
    # That the provider says so as well is the same money.
    assert await provider.says("reversed", payment_id=kept["reference"]) == "known"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"amount": chf("100.01")}, 422, "amount.amount"),
        ({"amount": chf("0.00")}, 422, "amount.amount"),
        ({"amount": chf("-1.00")}, 422, "amount.amount"),
        ({"amount": chf("1.00", "EUR")}, 422, "amount.currency"),
        ({"invoice_id": str(UUID(int=1))}, 404, "invoice_not_found"),
        ({"invoice_id": "void"}, 409, "invoice_void"),
        ({"invoice_id": "credited"}, 409, "invoice_credited"),
        ({"invoice_id": "replaced"}, 409, "is to be paid instead"),
    ],
)
async def test_what_cannot_be_assigned_is_refused_and_stays(
    system: System, provider: PaymentProvider, body: dict[str, Any], status: int, said: str
) -> None:
    kept = await kept_of(system, provider, "100.00")
    invoice = await opened(system)
    target = body.get("invoice_id", invoice["id"])
    if target == "void":
        await system.post(f"/invoices/{invoice['id']}/void", expect=200)
    if target == "credited":
        await system.post(f"/invoices/{invoice['id']}/credit-notes", {})
    if target in {"void", "credited"}:
        target = invoice["id"]
    if target == "replaced":
        target = (await replaced(system))[0]["id"]
    path = f"/unallocated-payments/{kept['id']}/assign"

    answer = await system.api.post(path, json={**body, "invoice_id": target})

    assert answer.status_code == status
    assert said in answer.text
    assert (await unallocated(system, kept["reference"]))["left"] == chf("100.00")


async def test_assigning_with_one_key_is_done_once(
    system: System, provider: PaymentProvider
) -> None:
    kept, invoice = await kept_of(system, provider, "10.00"), await opened(system)
    path, key = f"/unallocated-payments/{kept['id']}/assign", {"idempotency-key": uuid4().hex}
    body = {"invoice_id": invoice["id"], "amount": chf("4.00")}

    first, second = [await system.api.post(path, json=body, headers=key) for _ in range(2)]

    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert (await unallocated(system, kept["reference"]))["left"]["amount"] == "6.00"


async def test_who_assigns_and_who_refunds_at_once_do_not_both_have_it(
    system: System, provider: PaymentProvider
) -> None:
    kept, invoice = await kept_of(system, provider, "10.00"), await opened(system)
    path = f"/unallocated-payments/{kept['id']}"

    answers = await asyncio.gather(
        *(system.api.post(f"{path}/assign", json={"invoice_id": invoice["id"]}) for _ in range(4)),
        *(system.api.post(f"{path}/refund", json={"note": "back"}) for _ in range(4)),
        *(provider.says("reversed", payment_id=kept["reference"]) for _ in range(2)),
    )

    assert sum(getattr(answer, "status_code", 0) == 200 for answer in answers) <= 1
    rows = await stored(
        system,
        "billing",
        "SELECT left_minor + refunded_minor + reversed_minor + coalesce((SELECT sum(amount_minor) "
        "FROM payments p WHERE p.arrival_id = a.id AND reversed_at IS NULL), 0)::bigint "
        "FROM arrivals a WHERE id = $1",
        kept["id"],
    )
    assert rows == [(1000,)]


async def test_what_was_done_is_in_the_log(system: System, provider: PaymentProvider) -> None:
    kept = await kept_of(system, provider, "10.00")
    path = f"/unallocated-payments/{kept['id']}/refund"
    await system.post(path, {"note": "back"}, expect=200)

    rows = await stored(
        system,
        "billing",
        "SELECT action, actor FROM audit WHERE target_id = $1 ORDER BY at",
        kept["id"],
    )

    assert [action for action, _ in rows] == [
        "payment.unallocated",
        "unallocated_payment.refund",
    ]
    assert rows[0][1] == "standard"
