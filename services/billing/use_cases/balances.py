"""Credit balances: what changes them within a transaction, refunds, and what is forfeited."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.billing import repository
from services.billing.domain.balance import Balance, Entry, Source, forfeit, take
from services.billing.domain.invoice import Invoice, InvoiceState
from services.billing.domain.opening import use_credit
from services.billing.use_cases.announcements import balance_event, opened_event, paid_event
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Tx
from shared.errors import InputInvalid, NotFound
from shared.events import Event
from shared.events.billing import CreditBalanceChanged
from shared.events.subscriptions import SubscriptionWithdrawn
from shared.messaging.outbox import publish
from shared.money import Money

__all__ = [
    "SELF",
    "Books",
    "RecordRefund",
    "forfeit_withdrawn",
    "lock_books",
    "open_with_credit",
    "refund",
]

SELF = "billing"
"""Who makes entries that no person asked for."""

_Slot = tuple[UUID, str]


@dataclass(slots=True)
class Books:
    """Balances that are locked, and what has been entered since; written by `save`."""

    balances: dict[_Slot, Balance]
    entries: list[Entry] = field(default_factory=list)

    def of(self, invoice: Invoice) -> Balance:
        slot = invoice.customer_id, invoice.currency
        return self.balances.get(slot) or Balance(*slot)

    def enter(self, change: tuple[Balance, Entry]) -> CreditBalanceChanged:
        balance, entry = change
        self.balances[balance.customer_id, balance.currency] = balance
        self.entries.append(entry)
        return balance_event(entry)

    async def save(self, tx: Tx) -> None:
        changed = {(entry.customer_id, entry.currency) for entry in self.entries}
        await repository.save_balances(tx, [self.balances[s] for s in changed], self.entries)


async def lock_books(tx: Tx, slots: Collection[_Slot], *, used_by: Collection[UUID] = ()) -> Books:
    """Lock these balances; asks nothing when there are none."""
    if not slots:
        return Books({})
    return Books(await repository.lock_balances(tx, slots, used_by=used_by))


def open_with_credit(
    invoice: Invoice, books: Books, *, now: datetime, new_id: NewId
) -> tuple[Invoice, list[Event]]:
    """Let the balance pay what it can of a new invoice; returns it with what is told of it."""
    balance = books.of(invoice)
    used = min(balance.minor, invoice.total_minor)
    opened = use_credit(invoice, used)
    events: list[Event] = [opened_event(opened, version=invoice.version)]
    if used:
        source = Source(new_id(), "invoice", now, SELF, invoice_id=invoice.id)
        events.append(books.enter(take(balance, used, source)))
    if opened.state is InvoiceState.PAID:
        events.append(paid_event(opened))
    return opened, events


@dataclass(frozen=True, slots=True)
class RecordRefund:
    customer_id: UUID
    amount: Money
    note: str
    recorded_by: str


async def refund(tx: Tx, command: RecordRefund, *, now: datetime, new_id: NewId) -> Entry:
    """Record that credit was paid out.

    Raises:
        NotFound: no such customer.
        InputInvalid: the amount is not positive.
        Conflict: the balance is lower.
    """
    if command.amount.minor <= 0:
        raise InputInvalid("amount.amount", "must be greater than 0")
    customer_id = command.customer_id
    if not await repository.lock_customers(tx, [customer_id]):
        raise NotFound("customer", customer_id)
    slot = customer_id, command.amount.currency
    books = await lock_books(tx, [slot])
    source = Source(new_id(), "refund", now, command.recorded_by, command.note)
    event = books.enter(take(books.balances[slot], command.amount.minor, source))
    await books.save(tx)
    (entry,) = books.entries
    refunded, left = command.amount, entry.money(entry.balance_minor)
    act = Act(
        "balance.refund",
        "balance",
        f"{customer_id}/{refunded.currency}",
        customer_id,
        {"balance": (left + refunded).amount},
        {"balance": left.amount, "entry": str(source.entry_id)},
    )
    await record(tx, command.recorded_by, [act], [event], now=now, new_id=new_id)
    return entry


async def forfeit_withdrawn(
    tx: Tx, events: Sequence[SubscriptionWithdrawn], *, now: datetime, new_id: NewId
) -> None:
    """Delete what is left of the credit that came from subscriptions somebody took away.

    What is credited of them later is forfeited when it comes: see `credit_notes`.
    """
    forfeiting = [event for event in events if event.forfeited]
    if not forfeiting:
        return
    await repository.lock_customers(tx, {event.customer_id for event in forfeiting})
    await repository.add_withdrawn_subscriptions(tx, forfeiting, now=now)
    slots = await repository.get_credit_of(tx, [event.subscription_id for event in forfeiting])
    books = await lock_books(tx, {(customer, currency) for customer, currency, _ in slots})
    told = [
        books.enter(
            forfeit(
                books.balances[customer_id, currency],
                subscription_id,
                Source(new_id(), "forfeit", now, SELF, subscription_id=subscription_id),
            )
        )
        for customer_id, currency, subscription_id in slots
    ]
    await books.save(tx)
    await publish(tx, told, now=now, new_id=new_id)
