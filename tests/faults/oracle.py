"""What must be true once things are quiet, whatever was done to the system before.

It looks at the databases, the topics and the mailbox from outside, and knows the rules from the
product's description, not from its code.
"""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from email import message_from_bytes
from email.message import Message
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from shared.events.billing import (
    INVOICES,
    CreditBalanceChanged,
    CreditNoteIssued,
    InvoiceCredited,
    InvoiceOpened,
    InvoicePaid,
    InvoicePartiallyPaid,
    InvoicePaymentReversed,
    InvoiceRejected,
    InvoiceVoided,
    PaymentUnallocated,
)
from shared.events.customers import CUSTOMERS
from shared.events.notifier import DELIVERIES, EmailSent
from shared.events.subscriptions import (
    ENTITLEMENTS,
    INVOICE_REQUESTS,
    SUBSCRIPTIONS,
    InvoiceRequested,
    SubscriptionActivated,
    SubscriptionBookingDropped,
)
from shared.messaging.dead_letters import dead_letter_topic
from shared.money import Money
from tests.faults.facts import INNOCENT_HEADER, POISON_HEADER, Facts, read_facts
from tests.faults.quiet import consumed, quiet
from tests.system import System

__all__ = ["check_journal", "verify"]

_GRANTING = ("trialing", "active", "past_due", "canceling")


async def verify(
    system: System,
    *,
    promised: Mapping[str, str],
    dead_letters: Mapping[str, int] | None = None,
    parked: Mapping[str, int] | None = None,
    mails_may_repeat: bool = False,
    more_groups: Collection[tuple[str, str]] = (),
) -> None:
    """Wait until it is quiet, then check every rule; fails with all that is wrong.

    Args:
        promised: the state each subscription must be in.
        dead_letters: how many there must be, by consumer.
        parked: the same for parked messages.
        mails_may_repeat: whether the sender was killed. It may then hand over a mail twice, but
            with the same Message-ID.
        more_groups: (topic, group) of consumers that a test has added.
    """
    await quiet(system, parked=sum((parked or {}).values()), more_groups=more_groups)
    facts = await read_facts(system)
    _check_events(facts)
    _check_requests(facts)
    _check_outcomes(facts)
    _check_promises(facts, promised)
    _check_numbers(facts, await system.rows("billing", "SELECT * FROM number_series"))
    _check_money(facts)
    await check_journal(system, facts)
    _check_ledger(facts)
    await _check_entitlements(system, facts)
    await _check_copies(system, facts)
    _check_mails(system, facts, mails_may_repeat=mails_may_repeat)
    await _check_leftovers(system, facts, dead_letters or {}, parked or {})
    assert not facts.wrong, f"{len(facts.wrong)} wrong:\n" + "\n".join(facts.wrong[:40])


def _once(facts: Facts, what: str, found: Iterable[Any]) -> None:
    for key, count in Counter(found).items():
        facts.check(count == 1, f"{count} x {what} {key}")


def _check_events(facts: Facts) -> None:
    """One logical event per fact, copies alike, and in order per aggregate."""
    for topic, found in facts.events.items():
        newest: dict[tuple[str, str], int] = {}
        for one in found:
            facts.check(not one.changed, f"{topic.name}: {one.event_id} was sent differently again")
            if topic == INVOICES or one.sequence is None:
                continue  # documents and numbers of an invoice count versions of their own
            slot = (one.event.key, one.event.subject)
            facts.check(
                one.sequence > newest.get(slot, 0),
                f"{topic.name}: {slot} version {one.sequence} after {newest.get(slot)}",
            )
            newest[slot] = max(one.sequence, newest.get(slot, 0))
    for topic, kind, identity in (
        (INVOICES, InvoiceOpened, lambda e: e.invoice_id),
        (INVOICES, InvoicePaid, lambda e: (e.invoice_id, e.settlement)),
        (INVOICES, InvoiceVoided, lambda e: e.invoice_id),
        (INVOICES, InvoicePartiallyPaid, lambda e: (e.invoice_id, e.version)),
        (INVOICES, InvoicePaymentReversed, lambda e: (e.invoice_id, e.settlement)),
        (INVOICES, InvoiceCredited, lambda e: e.credit_note_id),
        (INVOICES, CreditNoteIssued, lambda e: e.credit_note_id),
        (INVOICES, CreditBalanceChanged, lambda e: (e.customer_id, e.currency, e.version)),
        (SUBSCRIPTIONS, SubscriptionActivated, lambda e: (e.subscription_id, e.term)),
        (SUBSCRIPTIONS, SubscriptionBookingDropped, lambda e: (e.subscription_id, e.request_id)),
        (INVOICE_REQUESTS, InvoiceRequested, lambda e: e.request_id),
        (DELIVERIES, EmailSent, lambda e: e.delivery_id),
    ):
        _once(facts, kind.TYPE, (identity(event) for event in facts.of(topic, kind)))


def _check_requests(facts: Facts) -> None:
    """Each request became one invoice, or was rejected."""
    requested = {event.request_id for event in facts.of(INVOICE_REQUESTS, InvoiceRequested)}
    rejected = {event.request_id for event in facts.of(INVOICES, InvoiceRejected)}
    invoiced = [
        row["request_id"] for row in facts.invoices if row["request_id"] and not row["replaced_by"]
    ]
    _once(facts, "invoice of request", invoiced)
    offered = {row["request_id"] for row in facts.offers}
    facts.check(requested == offered, f"requests without offer or back: {requested ^ offered}")
    lost = requested ^ ({*invoiced} | rejected)
    facts.check(not lost, f"requests that became nothing, or invoices out of it: {lost}")
    opened = {event.invoice_id for event in facts.of(INVOICES, InvoiceOpened)}
    stored = {row["id"] for row in facts.invoices}
    facts.check(opened == stored, f"invoices not announced, or announced only: {opened ^ stored}")


def _check_outcomes(facts: Facts) -> None:
    """Each paid line activated or dropped before; each activation by one paid invoice."""
    invoices = {row["id"]: row for row in facts.invoices}
    offers = {(row["request_id"], row["subscription_id"]): row for row in facts.offers}
    activated = Counter(
        (event.invoice_id, event.subscription_id)
        for event in facts.of(SUBSCRIPTIONS, SubscriptionActivated)
        if event.origin == "invoice"
    )
    dropped = Counter(
        (event.request_id, event.subscription_id)
        for event in facts.of(SUBSCRIPTIONS, SubscriptionBookingDropped)
    )
    carried = {
        (row["invoice_id"], row["request_id"], row["subscription_id"]) for row in facts.lines
    }
    for line in facts.lines:
        if line["subscription_id"] is None:
            continue
        invoice = invoices[line["invoice_id"]]
        key = (line["request_id"], line["subscription_id"])
        if (invoice["replaced_by"], *key) in carried:
            continue  # it has moved over, and has its outcome there
        offer = offers.get(key)
        found = (
            offer["state"] if offer else None,
            activated[invoice["id"], line["subscription_id"]],
            dropped[key],
        )
        facts.check(
            found in _wanted_outcomes(invoice, line),
            f"line of {invoice['state']} invoice {invoice['number']}: "
            f"offer {found[0]}, {found[1]} x activated, {found[2]} x dropped",
        )
        if offer:
            linked = offer["invoice_id"]
            facts.check(linked == invoice["id"], f"offer {key} is linked to {linked}")
    for (invoice_id, subscription_id), count in activated.items():
        payer = invoices.get(invoice_id)
        facts.check(
            payer is not None and payer["state"] in {"paid", "credited"} and count == 1,
            f"{subscription_id} activated {count} x by invoice {invoice_id}",
        )
    paid = {(e.invoice_id, e.settlement) for e in facts.of(INVOICES, InvoicePaid)}
    stored = {
        (row["id"], number) for row in facts.invoices for number in range(1, row["settlement"] + 1)
    }
    facts.check(paid == stored, f"paid invoices not announced, or announced only: {paid ^ stored}")


def _wanted_outcomes(
    invoice: asyncpg.Record, line: asyncpg.Record
) -> Collection[tuple[str, int, int]]:
    """(offer, times activated, times dropped) that a line may have: of what is credited, either.

    What was credited before it was paid never begins; what was credited later has begun.
    """
    begun, dropped = ("settled", 1, 0), ("dropped", 0, 1)
    match invoice["state"]:
        case "open":
            return {("open", 0, 0), dropped} if line["credited_minor"] else {("open", 0, 0)}
        case "paid":
            return {begun, dropped} if line["credited_minor"] else {begun}
        case "credited":
            return {begun, dropped} if invoice["settlement"] else {dropped}
        case _:
            return {dropped}


def _check_promises(facts: Facts, promised: Mapping[str, str]) -> None:
    for subscription_id, state in promised.items():
        row = facts.subscriptions.get(UUID(subscription_id))
        found = row["state"] if row else None
        facts.check(found == state, f"subscription {subscription_id} is {found}, not {state}")


def _check_numbers(facts: Facts, series: Iterable[asyncpg.Record]) -> None:
    """1..N per series without a gap, and dates in their order."""
    by_series = defaultdict(list)
    for row in facts.invoices:
        name, _, number = row["number"].rpartition("-")
        by_series[name].append((int(number), row["invoice_date"]))
    for row in facts.credit_notes:
        name, _, number = row["number"].rpartition("-")
        by_series[name].append((int(number), row["issued_on"]))
    for name, found in by_series.items():
        found.sort()
        numbers = [number for number, _ in found]
        facts.check(
            numbers == list(range(1, len(numbers) + 1)), f"series {name} has gaps: {numbers}"
        )
        dates = [date for _, date in found]
        facts.check(dates == sorted(dates), f"dates of series {name} are not in number order")
    for row in series:
        name = f"{row['series']}-{row['year']}"
        counted = len(by_series[name])
        facts.check(
            row["next_number"] == counted + 1, f"{name}: {counted} used, next {row['next_number']}"
        )


def _check_money(facts: Facts) -> None:
    """Payments, credit notes, what the balance paid, and what is open balance."""
    credited: Counter[UUID] = Counter()
    for note in facts.credit_notes:
        credited[note["invoice_id"]] += note["total_minor"]
    for row in facts.invoices:
        number, paid = row["number"], row["paid_minor"]
        facts.check(row["received"] == paid, f"{number}: payments {row['received']}, paid {paid}")
        notes = credited[row["id"]]
        facts.check(notes == row["credited_minor"], f"{number}: credit notes over {notes}")
        used = notes + row["credit_used_minor"] + paid - row["surplus_minor"]
        owed = row["total_minor"] - used
        state = {"paid": owed == 0, "open": owed > 0, "void": used == 0, "credited": owed == 0}
        facts.check(state[row["state"]], f"{number} is {row['state']} with {owed} owed")
    totals = {row["id"]: row["total_minor"] for row in facts.invoices}
    plain = {
        row["id"]
        for row in facts.invoices
        if not (row["credited_minor"] or row["credit_used_minor"] or row["surplus_minor"])
    }
    for event in facts.of(INVOICES, InvoicePartiallyPaid):
        told_total = event.paid.minor + event.open_amount.minor
        facts.check(
            event.invoice_id not in plain or told_total == totals.get(event.invoice_id),
            f"{event.number}: {told_total} in all",
        )
    for event in facts.of(INVOICES, InvoicePaid):
        facts.check(event.total.minor == totals.get(event.invoice_id), f"{event.number}: total")
    _check_balances(facts)
    for row in facts.arrivals:
        parts = [row[f"{name}_minor"] for name in ("held", "left", "refunded", "reversed")]
        facts.check(
            sum(parts) == row["amount_minor"],
            f"arrival {row['reference']}: {row['amount_minor']} came, {parts} is known of",
        )
        facts.check(
            (row["why"] is None) <= (row["left_minor"] == row["refunded_minor"] == 0),
            f"arrival {row['reference']} was booked and has something left",
        )
    told = {event.unallocated_payment_id for event in facts.of(INVOICES, PaymentUnallocated)}
    kept = {row["id"] for row in facts.arrivals if row["why"]}
    facts.check(told == kept, f"unallocated money not told of, or only told of: {told ^ kept}")


async def check_journal(system: System, facts: Facts) -> None:
    """What bookkeeping is told adds up to what there is: no amount is there that was not booked."""
    today = system.clock().date()
    period = {"from": str(today - timedelta(days=180)), "to": str(today + timedelta(days=180))}
    answer = await system.api.get("/journal", params=period)
    found: Counter[tuple[str, str]] = Counter()
    for told in csv.DictReader(StringIO(answer.text)):
        minor = Money.parse(told["gross"], told["currency"]).minor
        found[told["account"], told["currency"]] += minor
        if told["net"]:
            parts = [Money.parse(told[name], told["currency"]).minor for name in ("net", "vat")]
            facts.check(sum(parts) == minor, f"journal, {told['number']}: {parts} is not {minor}")
    wanted = _journal_sums(facts)
    for slot in found.keys() | wanted.keys():
        facts.check(
            found[slot] == wanted[slot], f"journal {slot}: {found[slot]}, not {wanted[slot]}"
        )
    owed: Counter[str] = Counter()
    for row in facts.invoices:
        used = row["credited_minor"] + row["credit_used_minor"] + row["paid_minor"]
        if row["state"] == "open":
            owed[row["currency"]] += row["total_minor"] - used + row["surplus_minor"]
    for currency in {currency for _, currency in found}:
        signs = {"revenue": 1, "rounding": 1, "forfeit": 1, "money": -1, "balance": 1}
        adds_up = sum(s * found[name, currency] for name, s in signs.items())
        adds_up += found["unallocated", currency]
        facts.check(adds_up == owed[currency], f"journal in {currency}: {adds_up} open")


def _journal_sums(facts: Facts) -> Counter[tuple[str, str]]:
    """By account and currency, from what there is at the end."""
    sums: Counter[tuple[str, str]] = Counter()
    documents = [(row, 1) for row in facts.invoices if row["state"] != "void"]
    documents += [(note, -1) for note in facts.credit_notes]
    for document, sign in documents:
        rounding, currency = sign * document["rounding_minor"], document["currency"]
        sums["rounding", currency] += rounding
        sums["revenue", currency] += sign * document["total_minor"] - rounding
    for row in facts.invoices:
        sums["money", row["currency"]] += row["received"]
    for row in facts.arrivals:
        sums["money", row["currency"]] += row["left_minor"]
        sums["unallocated", row["currency"]] += row["left_minor"]
    for row in facts.balances:
        sums["balance", row["currency"]] += row["balance_minor"]
    for row in facts.postings:
        if row["account"] == "refund":
            sums["money", row["currency"]] -= row["amount_minor"]
        if row["account"] == "forfeit":
            sums["forfeit", row["currency"]] += row["amount_minor"]
    return sums


def _check_balances(facts: Facts) -> None:
    """Each entry sums to zero, and a balance is what was posted to it and what was told of it."""
    entries: Counter[UUID] = Counter()
    moved: Counter[UUID] = Counter()
    posted: Counter[tuple[UUID, str]] = Counter()
    for row in facts.postings:
        entries[row["entry_id"]] += row["amount_minor"]
        if row["account"] == "balance":
            posted[row["customer_id"], row["currency"]] += row["amount_minor"]
        elif row["account"] == "invoice":
            moved[row["invoice_id"]] += row["amount_minor"]
    facts.check(not any(entries.values()), "entries of balances that do not sum to zero")
    for row in facts.invoices:
        used = row["credit_used_minor"] - row["surplus_minor"]
        facts.check(moved[row["id"]] == used, f"{row['number']}: postings {moved[row['id']]}")
    told: dict[tuple[UUID, str], list[Any]] = defaultdict(list)
    for event in facts.of(INVOICES, CreditBalanceChanged):
        told[event.customer_id, event.currency].append(event)
    for row in facts.balances:
        slot = row["customer_id"], row["currency"]
        changes = [event.amount.minor for event in told[slot]]
        found = (posted[slot], row["lots_minor"], sum(changes), len(changes))
        balance = row["balance_minor"]
        wanted = (balance, balance, balance, row["version"])
        facts.check(found == wanted, f"balance {slot}: posted, lots, told {found}, not {wanted}")


def _check_ledger(facts: Facts) -> None:
    """Periods of a term tile, and each activation with a period has its row."""
    previous: dict[tuple[UUID, int], asyncpg.Record] = {}
    for row in facts.periods:
        slot = (row["subscription_id"], row["term"])
        before = previous.get(slot)
        facts.check(
            before is None or before["period_end"] == row["period_start"], f"{slot} does not tile"
        )
        previous[slot] = row
    billed: dict[tuple[Any, ...], Any] = {
        (row["subscription_id"], row["term"], row["period_start"]): row
        for row in facts.periods
        if row["outcome"] == "billed"
    }
    expected: dict[tuple[Any, ...], Any] = {
        (event.subscription_id, event.term, event.period.start): event
        for event in facts.of(SUBSCRIPTIONS, SubscriptionActivated)
        if event.period
    }
    facts.check(billed.keys() == expected.keys(), f"ledger rows: {billed.keys() ^ expected.keys()}")
    for slot, event in expected.items():
        ledger, subscription = billed.get(slot), facts.subscriptions[slot[0]]
        found = ledger and (ledger["invoice_id"], ledger["period_end"], subscription["period_end"])
        wanted = (event.invoice_id, event.period.end, event.period.end)
        facts.check(found == wanted, f"ledger row {slot}: {found}, not {wanted}")


async def _check_entitlements(system: System, facts: Facts) -> None:
    """The stored answer is what the states imply, and the newest one on the topic."""
    rows = await system.rows("subscriptions", "SELECT id, details FROM offerings")
    details = {row["id"]: json.loads(row["details"]) for row in rows}
    granted: dict[UUID, list[asyncpg.Record]] = defaultdict(list)
    for row in facts.subscriptions.values():
        if row["state"] in _GRANTING:
            granted[row["customer_id"]].append(row)
    for customer_id in granted.keys() | facts.entitlements.keys():
        stored_row = facts.entitlements.get(customer_id)
        data = json.loads(stored_row["data"]) if stored_row else {}
        found = (
            data.get("plan") and data["plan"]["id"],
            sorted(module["id"] for module in data.get("modules", ())),
            data.get("features"),
            data.get("max_users"),
        )
        wanted = _implied(granted[customer_id], details)
        facts.check(found == wanted, f"entitlements of {customer_id}: {found}, not {wanted}")
    newest: dict[str, Any] = {}
    for record in await system.read_topic(ENTITLEMENTS.name):
        names = {name for name, _ in record.headers}
        if POISON_HEADER not in names or INNOCENT_HEADER in names:
            newest[record.key.decode()] = json.loads(record.value)
    stored = {
        str(customer_id): {**json.loads(row["data"]), "version": row["version"]}
        for customer_id, row in facts.entitlements.items()
    }
    different = [key for key in newest.keys() | stored.keys() if newest.get(key) != stored.get(key)]
    facts.check(not different, f"newest entitlements on the topic differ: {different}")


def _implied(granted: Iterable[asyncpg.Record], details: Mapping[UUID, Any]) -> tuple[Any, ...]:
    plan: UUID | None = None
    modules: set[UUID] = set()
    features: dict[str, Any] = {}
    for row in granted:
        if row["kind"] == "plan":
            plan = row["product_id"]
            modules |= {UUID(module) for module in details[plan].get("included_modules", ())}
        else:
            modules.add(row["product_id"])
    for product in [*modules, *([plan] if plan else [])]:
        features |= details[product]["features"]
    users = details[plan]["max_users"] if plan else 0
    return (plan and str(plan), sorted(map(str, modules)), features, users)


async def _check_copies(system: System, facts: Facts) -> None:
    """Everybody's copy of a customer is the newest one that was told."""
    newest: dict[UUID, int] = {}
    for one in facts.events[CUSTOMERS]:
        newest[one.event.customer_id] = one.sequence or 0
    for service in ("customers", "subscriptions", "billing", "notifier"):
        rows = await system.rows(service, "SELECT id, version FROM customers")
        copies = {row["id"]: row["version"] for row in rows}
        facts.check(copies == newest, f"customers in {service}: {copies.items() ^ newest.items()}")


def _check_mails(system: System, facts: Facts, *, mails_may_repeat: bool) -> None:
    """One mail per invoice that a subscription asked for, and per note, by Message-ID."""
    wanted = {row["id"] for row in facts.invoices if row["request_id"]}
    planned = {
        kind: [row["source_id"] for row in facts.deliveries if row["kind"] == kind]
        for kind in ("invoice", "credit_note", "cancellation")
    }
    for kind, found in planned.items():
        _once(facts, f"delivery of {kind}", found)
    mailed = {*planned["invoice"]}
    facts.check(wanted == mailed, f"invoices without mail or back: {wanted ^ mailed}")
    credited = {row["id"] for row in facts.credit_notes} ^ {*planned["credit_note"]}
    facts.check(not credited, f"credit notes without mail or back: {credited}")
    void = {row["id"] for row in facts.invoices if row["state"] == "void"}
    held_back = {row["source_id"] for row in facts.deliveries if row["state"] == "withdrawn"}
    facts.check(held_back <= void, f"mails held back: {held_back - void}")
    had = (void & mailed) - held_back
    told = {*planned["cancellation"]}
    facts.check(told == had, f"cancellation notes of void invoices that went out: {told ^ had}")
    deliveries = [row for row in facts.deliveries if row["state"] != "withdrawn"]
    sent = {row["message_id"]: row for row in deliveries}
    for row in deliveries:
        facts.check(row["state"] == "sent", f"delivery of {row['invoice_id']} is {row['state']}")
    told_sent = {event.message_id for event in facts.of(DELIVERIES, EmailSent)}
    facts.check(told_sent == sent.keys(), f"mails not told of: {told_sent ^ sent.keys()}")
    domain = f"@{system.prefix.strip('.')}.example"
    arrived = Counter(
        mail["Message-ID"].strip()
        for mail in _headers(Path(system.servers.mailbox_dir))
        if domain in mail["To"]
    )
    facts.check(
        arrived.keys() == sent.keys(), f"mails in the mailbox: {arrived.keys() ^ sent.keys()}"
    )
    for message_id, count in arrived.items():
        facts.check(count == 1 or mails_may_repeat, f"{count} x mail {message_id}")


def _headers(folder: Path) -> Iterable[Message]:
    for path in folder.glob("*.eml"):
        with path.open("rb") as file:
            head = b"".join(iter(lambda: file.readline().rstrip(b"\r\n") + b"\n", b"\n"))
        yield message_from_bytes(head)


async def _check_leftovers(
    system: System, facts: Facts, dead_letters: Mapping[str, int], parked: Mapping[str, int]
) -> None:
    """Nothing parked or dead but what the test has predicted; letters also on their topic."""
    found_dead: Counter[str] = Counter()
    found_parked: Counter[str] = Counter()
    for service, consumer, group in await consumed(system):
        rows = await system.rows(
            service,
            "SELECT topic, partition, position, reason, state FROM dead_letters "
            "WHERE consumer = $1",
            group,
        )
        found_dead[group] += sum(row["state"] == "dead" for row in rows)
        stood = Counter((r["topic"], r["partition"], r["position"]) for r in rows)
        shown: Counter[tuple[str, int, int]] = Counter()
        for record in await system.read_topic(dead_letter_topic(consumer.topic.name, group)):
            headers = {name: value.decode() for name, value in record.headers}
            shown[
                headers["kontor_topic"],
                int(headers["kontor_partition"]),
                int(headers["kontor_offset"]),
            ] += 1
        facts.check(
            stood.keys() == shown.keys(), f"{group}: dead letters {stood}, on the topic {shown}"
        )
        if found_dead[group] != dead_letters.get(group, 0):
            reasons = sorted({row["reason"] for row in rows})
            facts.wrong.append(f"{group}: {found_dead[group]} dead letters: {reasons[:5]}")
        query = "SELECT count(*) FROM parked_messages WHERE consumer = $1"
        found_parked[group] += (await system.rows(service, query, group))[0][0]
        expected = parked.get(group, 0)
        facts.check(
            found_parked[group] == expected,
            f"{group}: {found_parked[group]} parked, not {expected}",
        )
