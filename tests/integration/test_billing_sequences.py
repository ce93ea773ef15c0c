"""Whatever is done to invoices, in whatever order: no cent comes from nowhere, none is lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.billing import repository
from services.billing.domain.draft import with_line, with_line_changed
from services.billing.domain.invoice import InvoiceLine
from services.billing.use_cases.amending import delete_invoice
from services.billing.use_cases.balances import RecordRefund, forfeit_withdrawn, refund
from services.billing.use_cases.credit_notes import CreditInvoice, credit_invoice, credit_requested
from services.billing.use_cases.drafts import correct_invoice, create_draft, edit_draft
from services.billing.use_cases.finalizing import FinalizeDraft, finalize_draft
from services.billing.use_cases.openings import open_requested_invoices
from services.billing.use_cases.payments import (
    RecordPayment,
    pay_invoice,
    reverse_payment,
    void_invoice,
)
from services.billing.use_cases.withdrawals import withdraw_requests
from shared.clock import new_id
from shared.database import Database, Tx
from shared.errors import KontorError
from shared.events.billing import INVOICES, InvoicePaid, SettingsChanged
from shared.events.subscriptions import (
    CreditRequested,
    InvoiceRequestWithdrawn,
    LineToCredit,
    Product,
    RequestedLine,
    SubscriptionWithdrawn,
)
from shared.money import Money
from shared.quotes import Buyer, Seller, quote
from tests.integration.steps import customer_created, database_of, invoice_requested
from tests.system import System, eventually

LONG_AGO = datetime(2024, 3, 15, 12, tzinfo=UTC)
PERCENT = st.sampled_from([1, 33, 50, 99, 100, 100, 100, 130, 250])
INDEX = st.integers(0, 5)
LINES = st.lists(
    st.tuples(st.integers(1, 20_000), st.sampled_from(["net", "gross"])), min_size=1, max_size=3
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), LINES, st.integers(0, 90)),
        st.tuples(st.just("pay"), INDEX, PERCENT),
        st.tuples(st.just("reverse"), INDEX, PERCENT),
        st.tuples(st.just("credit"), INDEX, PERCENT),
        st.tuples(st.just("credit all"), INDEX, PERCENT),
        st.tuples(st.just("request credit"), INDEX, PERCENT),
        st.tuples(st.just("withdraw"), INDEX, st.integers(1, 15)),
        st.tuples(st.just("void"), INDEX, PERCENT),
        st.tuples(st.just("refund"), INDEX, PERCENT),
        st.tuples(st.just("forfeit"), INDEX, PERCENT),
        st.tuples(st.just("write"), LINES, st.integers(0, 90)),
        st.tuples(st.just("correct"), INDEX, PERCENT),
        st.tuples(st.just("delete"), INDEX, PERCENT),
    ),
    min_size=8,
    max_size=20,
).map(lambda steps: [("open", [(4_900, "net"), (1_000, "gross")], 0), *steps])


@pytest.fixture(autouse=True, scope="module")
async def seeded(system: System) -> None:
    await system.seeded()


@pytest.fixture(scope="module")
async def database(system: System) -> AsyncIterator[Database]:
    async with database_of(system, "billing") as database:
        yield database


@dataclass
class Customer:
    """What was done for a customer, as somebody outside would note it down."""

    database: Database
    seller: SettingsChanged
    id: UUID = field(default_factory=new_id)
    now: datetime = LONG_AGO
    payments: dict[UUID, int] = field(default_factory=dict)
    refunded: int = 0

    async def go_through(self, steps: Sequence[Any]) -> None:
        async with self.database.transaction() as tx:
            await repository.save_customers(tx, [customer_created(self.id)])
        for kind, what, how in steps:
            self.now += timedelta(hours=7)
            try:
                async with self.database.transaction() as tx:
                    await getattr(self, f"_{kind.replace(' ', '_')}")(tx, what, how)
            except KontorError:
                pass  # refused: then nothing may have changed
            async with self.database.transaction() as tx:
                await self.add_up(tx)

    # -- steps ---------------------------------------------------------------------------------

    async def _open(self, tx: Tx, prices: Sequence[tuple[int, Any]], credit: int) -> None:
        lines = [self._line(price, basis) for price, basis in prices]
        if credit:
            part = prices[0][0] * credit // 100
            lines.append(self._line(-part, prices[0][1], vat_percent=Decimal("7.7")))
        total = quote(
            lines,
            "CHF",
            seller=Seller.of(self.seller),
            buyer=Buyer("CH", is_company=True, vat_id=""),
            on=self.now.date(),
        ).totals.total_minor
        request = invoice_requested(self.id, lines=tuple(lines), expected_total=Money(total, "CHF"))
        await open_requested_invoices(tx, [request], now=self.now, new_id=new_id)

    def _line(self, price: int, basis: Any, **different: Any) -> RequestedLine:
        return RequestedLine(
            subscription_id=new_id(),
            title="Team",
            unit_price=Decimal(price) / 100,
            basis=basis,
            vat_category="standard",
            cycle="monthly",
            **different,
        )

    async def _pay(self, tx: Tx, index: int, percent: int) -> None:
        if invoice := await self._invoice(tx, index):
            minor = max(invoice.open_minor * percent // 100, 1)
            command = RecordPayment(
                invoice.id, Money(minor, "CHF"), "cash", "", self.now.date(), "test"
            )
            _, payment = await pay_invoice(tx, command, now=self.now, new_id=new_id)
            self.payments[payment.id] = minor

    async def _reverse(self, tx: Tx, index: int, _: int) -> None:
        if self.payments:
            payment_id = list(self.payments)[index % len(self.payments)]
            await reverse_payment(
                tx,
                payment_id,
                reason="bounced",
                actor="test",
                seen=None,
                now=self.now,
                new_id=new_id,
            )
            del self.payments[payment_id]

    async def _credit(self, tx: Tx, index: int, percent: int) -> None:
        if invoice := await self._invoice(tx, index):
            line = invoice.lines[index % len(invoice.lines)]
            asked = [(line.position, Money(line.left_minor * percent // 100, "CHF"))]
            await self._credit_note(tx, invoice.id, asked)

    async def _credit_all(self, tx: Tx, index: int, _: int) -> None:
        if invoice := await self._invoice(tx, index):
            await self._credit_note(tx, invoice.id, None)

    async def _credit_note(self, tx: Tx, invoice_id: UUID, lines: Any) -> None:
        command = CreditInvoice(invoice_id, lines, "", "test")
        await credit_invoice(tx, command, now=self.now, new_id=new_id)

    async def _request_credit(self, tx: Tx, index: int, percent: int) -> None:
        if invoice := await self._invoice(tx, index):
            line = invoice.lines[index % len(invoice.lines)]
            amount = Money(abs(line.total_minor) * percent // 100, "CHF")
            request = CreditRequested(
                customer_id=self.id,
                request_id=new_id(),
                invoice_id=invoice.id,
                subscription_id=line.subscription_id or new_id(),
                lines=(LineToCredit(position=line.position, amount=amount),),
            )
            for _ in range(2):  # it may come twice
                await credit_requested(tx, [request], now=self.now, new_id=new_id)

    async def _withdraw(self, tx: Tx, index: int, bits: int) -> None:
        invoice = await self._invoice(tx, index)
        if invoice and invoice.request_id:
            gone = [li.subscription_id for n, li in enumerate(invoice.lines) if bits >> n & 1]
            event = InvoiceRequestWithdrawn(
                customer_id=self.id,
                request_id=invoice.request_id,
                subscription_ids=tuple(filter(None, gone)),
                reason="dropped",
            )
            for _ in range(2):
                await withdraw_requests(tx, [event], now=self.now, new_id=new_id)

    async def _void(self, tx: Tx, index: int, _: int) -> None:
        if invoice := await self._invoice(tx, index):
            await void_invoice(tx, invoice.id, actor="test", seen=None, now=self.now, new_id=new_id)

    async def _delete(self, tx: Tx, index: int, _: int) -> None:
        if invoice := await self._invoice(tx, index):
            await delete_invoice(tx, invoice.id, by="test", now=self.now, new_id=new_id)

    async def _write(self, tx: Tx, prices: Sequence[tuple[int, Any]], credit: int) -> None:
        parts = [*prices, (-prices[0][0] * credit // 100, prices[0][1])]
        lines = tuple(self._by_hand(minor, basis) for minor, basis in parts if minor)
        draft = await create_draft(
            tx,
            self.id,
            "CHF",
            lambda empty: replace(empty, lines=lines),
            by="test",
            now=self.now,
            new_id=new_id,
        )
        await self._finalize(tx, draft.id)

    async def _correct(self, tx: Tx, index: int, percent: int) -> None:
        if invoice := await self._invoice(tx, index):
            draft = await correct_invoice(tx, invoice.id, by="test", now=self.now, new_id=new_id)
            price = draft.lines[0].unit_price * percent / 100
            changes = {"unit_price": price.quantize(Decimal("0.01"))}
            await edit_draft(
                tx,
                draft.id,
                lambda d: with_line(with_line_changed(d, 1, changes), self._by_hand(500, "net")),
                expected_version=1,
                by="test",
                now=self.now,
                new_id=new_id,
            )
            await self._finalize(tx, draft.id)

    async def _finalize(self, tx: Tx, draft_id: UUID) -> None:
        command = FinalizeDraft(draft_id, None, None, "test")
        await finalize_draft(tx, command, now=self.now, new_id=new_id)

    def _by_hand(self, minor: int, basis: Any) -> InvoiceLine:
        return InvoiceLine(
            position=0,
            title="Beratung",
            description="",
            explanation="",
            quantity=Decimal(1),
            unit="",
            unit_price=Decimal(minor) / 100,
            basis=basis,
            discount_percent=Decimal(0),
            vat_category="standard",
            vat_percent=Decimal(0),
            total_minor=0,
        )

    async def _refund(self, tx: Tx, _: int, percent: int) -> None:
        (balance,) = [row.balance_minor for row in await repository.get_balances(tx, self.id)] or [
            0
        ]
        minor = max(balance * percent // 100, 1)
        command = RecordRefund(self.id, Money(minor, "CHF"), "", "test")
        await refund(tx, command, now=self.now, new_id=new_id)
        self.refunded += minor

    async def _forfeit(self, tx: Tx, index: int, _: int) -> None:
        if invoice := await self._invoice(tx, index):
            subscription_id = invoice.lines[index % len(invoice.lines)].subscription_id or new_id()
            event = SubscriptionWithdrawn(
                customer_id=self.id,
                subscription_id=subscription_id,
                version=3,
                product=Product(kind="plan", id=new_id(), name="Team"),
                forfeited=Money(1, "CHF"),
            )
            await forfeit_withdrawn(tx, [event], now=self.now, new_id=new_id)

    async def _invoice(self, tx: Tx, index: int) -> Any:
        invoices = await self._invoices(tx)
        return invoices[index % len(invoices)] if invoices else None

    async def _invoices(self, tx: Tx) -> Sequence[Any]:
        query = "SELECT id FROM invoices WHERE customer_id = $1"
        found = await repository.get_invoices(tx, [r.id for r in await tx.fetch(query, self.id)])
        return sorted(found, key=lambda invoice: (invoice.opened_at, invoice.number))

    # -- what must be true after each of them ----------------------------------------------------

    async def add_up(self, tx: Tx) -> None:
        invoices = await self._invoices(tx)
        living = [invoice for invoice in invoices if invoice.state != "void"]
        balances = await repository.get_balances(tx, self.id)
        entries, _ = await repository.list_balance_entries(tx, self.id, after=None, limit=1_000)
        balance = sum(row.balance_minor for row in balances)
        forfeited = -sum(e.amount_minor for e in entries if e.origin == "forfeit")
        credited = 0
        for invoice in living:
            notes = await repository.get_credit_notes(tx, invoice.id)
            total = sum(note.total_minor for note in notes)
            credited += total
            assert total == invoice.credited_minor
            if all(not line.left_minor for line in invoice.lines):
                assert total == invoice.total_minor
                assert sum(note.vat_minor for note in notes) == invoice.vat_minor
                assert sum(note.rounding_minor for note in notes) == invoice.rounding_minor
        owed = sum(invoice.total_minor for invoice in living) - credited
        paid = sum(self.payments.values())
        gone = self.refunded + forfeited
        assert sum(invoice.open_minor for invoice in living) == owed - paid + balance + gone
        assert sum(invoice.paid_minor for invoice in living) == paid
        assert sum(entry.amount_minor for entry in entries) == balance >= 0
        (sums,) = await tx.fetch(
            "SELECT coalesce(sum(left_minor), 0)::bigint AS lots, "
            "(SELECT coalesce(sum(p.amount_minor), 0)::bigint FROM balance_postings p "
            "JOIN balance_entries e ON e.id = p.entry_id WHERE e.customer_id = $1 "
            "AND p.account = 'balance') AS posted FROM balance_lots WHERE customer_id = $1",
            self.id,
        )
        assert (sums.lots, sums.posted) == (balance, balance)


@pytest.mark.filterwarnings(
    # The loop of the system beside it uses dice of its own.
    "ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning"
)
async def test_no_cent_is_made_or_lost_by_any_sequence_and_each_settlement_is_told_once(
    system: System, database: Database
) -> None:
    async with database.transaction() as tx:
        seller = await repository.get_seller(tx)
    assert seller
    loop = asyncio.get_running_loop()
    customers: list[Customer] = []

    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(STEPS)
    def check(steps: Sequence[Any]) -> None:
        customer = Customer(database, seller)
        asyncio.run_coroutine_threadsafe(customer.go_through(steps), loop).result()
        customers.append(customer)

    await asyncio.to_thread(check)
    settlements = {
        (row[0], number)
        for customer in customers
        for row in await system.rows(
            "billing", "SELECT id, settlement FROM invoices WHERE customer_id = $1", customer.id
        )
        for number in range(1, row[1] + 1)
    }
    assert len(settlements) > len(customers) / 2
    ours = {customer.id for customer in customers}

    async def all_sent() -> bool | None:
        return not await system.rows("billing", "SELECT 1 FROM outbox LIMIT 1") or None

    await eventually(all_sent, "everything to be sent")
    told = [
        (event.invoice_id, event.settlement)
        for event in await system.events(INVOICES)
        if isinstance(event, InvoicePaid) and event.customer_id in ours
    ]
    assert sorted(told) == sorted(settlements)
