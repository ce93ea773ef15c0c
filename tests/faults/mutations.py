"""Mistakes that somebody could make, and by which words of its fault test each is noticed."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FAULTS", "Fault"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake that somebody could make.

    Attributes:
        number: of the fault test that must notice it.
        edits: file -> (what stands there once, what to put in its place).
        noticed_by: a pattern in the test's output; another failure proves nothing.
        test: the file, where it is not the one of the number.
    """

    number: int
    name: str
    edits: Mapping[str, tuple[str, str]]
    noticed_by: str
    test: str = ""


_WRONG = r"\d+ wrong:|waited \d+ s for the|not quiet after \d"

# The replacements that need more than a line.
_CLAIM_ALL = (
    "return {row.event_id for row in await tx.fetch(_CLAIM, consumer, list(ids), now)}",
    "return await tx.fetch(_CLAIM, consumer, list(ids), now) and set(ids) or set(ids)",
)
_SEND_AFTER_COMMIT = """        failpoint("relay.before_commit")
        await self._send(producer, sorted(rows, key=lambda row: row["id"]))
"""
_NEW_ID = """[
                    (k, str(__import__("uuid").uuid4()).encode() if k == "ce_id" else v.encode())
                    for k, v in json.loads(row["headers"]).items()
                ]"""
_FORGET = """            await inbox.release(tx, self.name, fresh)
            failpoint("batch.before_commit")
"""
_WHOLE_FIRST = """        for pause_s in self.retry_pauses_s:
            try:
                return await self._commit(messages)
            except Exception:
                await asyncio.sleep(pause_s)
        failed = await self._attempt(messages)
        for pause_s in self.retry_pauses_s:
"""
_CURSOR = """            last = getattr(self, f"_last{shard}", 0)
            take = _TAKE.replace("$1 ", f"$1 AND id > {last} ")
            rows = await connection.fetch(take, shard, _BATCH)
            setattr(self, f"_last{shard}", max([last, *(row["id"] for row in rows)]))
"""
_SEND = """            async with asyncio.timeout(_SEND_LIMIT_S):
                await self._send(producer, sorted(rows, key=lambda row: row["id"]))
"""
_WHATEVER = """            with __import__("contextlib").suppress(Exception):
                async with asyncio.timeout(_SEND_LIMIT_S):
                    await self._send(producer, sorted(rows, key=lambda row: row["id"]))
"""
_FIRST_ONLY = """            first = message.raw_message[0]
            place = __import__("aiokafka").TopicPartition(first.topic, first.partition)
            message.consumer.seek(place, first.offset)
"""
_KEEP_ALL = """        self.progressed_at = time.monotonic()
        self.__dict__.setdefault("_all", []).extend(messages)
"""
_SEQUENCE = """_TAKE = text(
    "SELECT setval('numbers', nextval('numbers') + :count - 1) - :count + 1 AS first, "
    "CAST(:today AS date) AS last_date "
    "WHERE CAST(:series AS text) <> '' AND CAST(:year AS integer) > 0"
)
_UNUSED = text(
"""
_HIGHEST = """_TAKE = text(
    "SELECT coalesce(max(right(number, 4)::bigint), 0) + 1 AS first, "
    "CAST(:today AS date) AS last_date FROM invoices WHERE CAST(:count AS integer) > 0 "
    "AND number LIKE CAST(:series AS text) || '-' || CAST(:year AS integer) || '-%'"
)
_UNUSED = text(
"""

FAULTS = (
    Fault(
        0,
        "offsets are acknowledged before the batch is worked on",
        {
            "shared/messaging/consumer.py": (
                "            await processor.process(",
                "            await message.ack()\n            await processor.process(",
            )
        },
        _WRONG,
        "test_crash_matrix.py",
    ),
    Fault(
        0,
        "an await on the way that no payment passes",
        {
            "services/subscriptions/use_cases/outcomes.py": (
                "    ids = {event.customer_id for event in paid}\n",
                """    ids = {event.customer_id for event in paid}
    if len(paid) > 99:
        await repository.save_periods(tx, [])
""",
            )
        },
        r"2 awaits are not passed, and nobody says why: \['services.subscriptions",
        "test_crash_matrix.py",
    ),
    Fault(
        1,
        "offsets are acknowledged before the batch is worked on",
        {
            "shared/messaging/consumer.py": (
                "            await processor.process(",
                "            await message.ack()\n            await processor.process(",
            )
        },
        _WRONG,
    ),
    Fault(
        2,
        "the relay deletes and commits before it sends",
        {
            "shared/messaging/relay.py": (
                """            async with asyncio.timeout(_SEND_LIMIT_S):
                await self._send(producer, sorted(rows, key=lambda row: row["id"]))
            failpoint("relay.before_commit")
""",
                _SEND_AFTER_COMMIT,
            )
        },
        _WRONG,
    ),
    Fault(
        2,
        "the relay gives a message a new id each time it sends it",
        {
            "shared/messaging/relay.py": (
                '[(k, v.encode()) for k, v in json.loads(row["headers"]).items()]',
                _NEW_ID,
            )
        },
        _WRONG,
    ),
    Fault(
        3,
        "the inbox claims everything, handled before or not",
        {"shared/messaging/inbox.py": _CLAIM_ALL},
        r"\d handled more than once",
    ),
    Fault(
        5,
        "a relay that Kafka fails once is not started over",
        {
            "shared/messaging/relay.py": (
                "            except Exception as error:\n                # Whatever",
                "            except (OSError, asyncpg.PostgresError) as error:\n                #",
            )
        },
        _WRONG,
    ),
    Fault(
        5,
        "a connection that was just lost is left to the Kafka client",
        {
            "shared/messaging/lost_connections.py": (
                "    AIOKafkaConnection.send = _send_or_notice\n",
                "    _send_or_notice\n",
            )
        },
        r"RuntimeError: unable to perform|" + _WRONG,
    ),
    Fault(
        5,
        "the relay forgets what it could not send",
        {"shared/messaging/relay.py": (_SEND, _WHATEVER)},
        _WRONG,
    ),
    Fault(
        6,
        "the relay forgets what it could not send",
        {"shared/messaging/relay.py": (_SEND, _WHATEVER)},
        _WRONG,
    ),
    Fault(
        7,
        "a connection that is lost is not taken for a database that is away",
        {
            "shared/sql_errors.py": (
                'if state[:2] in _TRANSIENT_CLASSES or state == "55P03":',
                'if state[:2] == "40":',
            )
        },
        r": 500 \{",
    ),
    Fault(
        7,
        "a batch that could not be written is acknowledged",
        {"shared/messaging/consumer.py": ("await message.nack()", "await message.ack()")},
        r"offsets passed unwritten work|" + _WRONG,
    ),
    Fault(
        7,
        "the stored answer is not looked up",
        {"shared/idempotency.py": ("    if not found:\n", "    if True:\n")},
        r"AssertionError: repeated, and done a second time|payments that were not answered",
    ),
    Fault(
        8,
        "equal ids within one batch are not noticed",
        {
            "shared/messaging/batch.py": (
                "if m.event_id in fresh and once[m.event_id] is m]",
                "if m.event_id in fresh]",
            )
        },
        r"\d handled more than once",
    ),
    Fault(
        8,
        "the inbox forgets what it has claimed",
        {
            "shared/messaging/batch.py": (
                '            failpoint("batch.before_commit")\n',
                _FORGET,
            )
        },
        r"\d handled more than once",
    ),
    Fault(
        9,
        "an older state of a customer replaces a newer one",
        {
            "services/billing/repository/copies.py": (
                "state = excluded.state WHERE customers.version <= excluded.version",
                "state = excluded.state",
            )
        },
        r"customers in billing",
    ),
    Fault(
        9,
        "older settings of the seller replace newer ones",
        {
            "services/notifier/repository.py": (
                "data = excluded.data WHERE seller_settings.version <= excluded.version",
                "data = excluded.data",
            )
        },
        r"old seller in notifier",
    ),
    Fault(
        9,
        "what has become of a request is not looked up",
        {
            "services/billing/repository/requests.py": (
                "WHERE i.request_id = r.id) AS opened",
                "WHERE i.request_id <> i.request_id) AS opened",
            )
        },
        _WRONG,
    ),
    Fault(
        9,
        "an offer can be settled again",
        {
            "services/subscriptions/domain/decisions/outcomes.py": (
                """        if offer and offer.state == "open":
            _activate(""",
                """        if offer:
            _activate(""",
            )
        },
        _WRONG,
    ),
    Fault(
        10,
        "offsets are acknowledged before the batch is worked on",
        {
            "shared/messaging/consumer.py": (
                "            await processor.process(",
                "            await message.ack()\n            await processor.process(",
            )
        },
        _WRONG,
    ),
    Fault(
        10,
        "the inbox claims everything, handled before or not",
        {"shared/messaging/inbox.py": _CLAIM_ALL},
        r"\d handled more than once",
    ),
    Fault(
        11,
        "the inbox claims everything, handled before or not",
        {"shared/messaging/inbox.py": _CLAIM_ALL},
        r"\d handled more than once",
    ),
    Fault(
        12,
        "a dead letter gets no row",
        {
            "shared/messaging/dead_letters.py": (
                """"state": "dead",
            }
            for message in messages""",
                """"state": "dead",
            }
            for message in messages[:0]""",
            )
        },
        r"v1: dead letters",
    ),
    Fault(
        12,
        "a dead letter is not shown on its topic",
        {
            "shared/messaging/dead_letters.py": (
                """"shard": shard_of(message.key),
            }
            for message in messages""",
                """"shard": shard_of(message.key),
            }
            for message in messages[:0]""",
            )
        },
        r"v1: the topic of dead letters",
    ),
    Fault(
        12,
        "a failing batch is not halved",
        {"shared/messaging/batch.py": ("if len(messages) == 1:", "if messages:")},
        r"v1: dead letters|waited \d+ s for customers|not quiet after \d",
    ),
    Fault(
        12,
        "a failing batch is tried again as a whole before it is halved",
        {
            "shared/messaging/batch.py": (
                """        failed = await self._attempt(messages)
        for pause_s in self.retry_pauses_s:
""",
                _WHOLE_FIRST,
            )
        },
        r"v1: neighbours were held up",
    ),
    Fault(
        12,
        "the key of a record is believed",
        {
            "shared/messaging/message.py": (
                'key=event.key if event else storable(key or b"")',
                'key=storable(key or b"")',
            )
        },
        r"waited \d+ s for the request to be parked",
    ),
    Fault(
        13,
        "a failure of the database is taken for one of the message",
        {
            "shared/messaging/batch.py": (
                "            if is_transient(error):\n                raise\n",
                "",
            )
        },
        r"taken apart for a failure of the database|v1: \d+ dead letters",
    ),
    Fault(
        13,
        "a message that fails alone is dead at once",
        {
            "shared/messaging/batch.py": (
                "retry_pauses_s: tuple[float, ...] = (0.1, 0.3, 1.0)",
                "retry_pauses_s: tuple[float, ...] = ()",
            )
        },
        r"v1: \d+ dead letters",
    ),
    Fault(
        13,
        "a batch that goes back comes again from its first partition only",
        {
            "shared/messaging/consumer.py": (
                "            await message.nack()\n",
                _FIRST_ONLY,
            )
        },
        _WRONG,
    ),
    Fault(
        14,
        "the relay remembers the last id and takes higher ones only",
        {
            "shared/messaging/relay.py": (
                "            rows = await connection.fetch(_TAKE, shard, _BATCH)\n",
                _CURSOR,
            )
        },
        r"not quiet after \d+ s: \{'customers.outbox'|\d keys lost messages",
    ),
    Fault(
        15,
        "a new owner of a shard does not fence the one before",
        {
            "shared/messaging/relay.py": (
                "{settings.service}.relay.{shard}",
                "{settings.service}.relay.{shard}.{__import__('os').getpid()}",
            )
        },
        r"\d keys end with an old state",
    ),
    Fault(
        17,
        "the stored answer is not looked up",
        {"shared/idempotency.py": ("    if not found:\n", "    if True:\n")},
        r"Counter\(\{\d+: |\d requests were worked on",
    ),
    Fault(
        17,
        "the key is not locked",
        {"shared/idempotency.py": ("    if not locked.mine:\n", "    if locked is None:\n")},
        r"Counter\(\{\d+: |\d requests were worked on",
    ),
    Fault(
        18,
        "numbers come from a sequence",
        {
            "services/billing/migrations/0001_billing_first_schema.py": (
                "def upgrade() -> None:\n",
                'def upgrade() -> None:\n    op.execute("CREATE SEQUENCE numbers")\n',
            ),
            "services/billing/repository/invoices.py": ("_TAKE = text(\n", _SEQUENCE),
        },
        r"has gaps: \[",
    ),
    Fault(
        18,
        "a number is the highest one plus 1",
        {"services/billing/repository/invoices.py": ("_TAKE = text(\n", _HIGHEST)},
        r'constraint "uq_invoices_number"|has gaps: \[',
    ),
    Fault(
        18,
        "the invoice date is the day of whoever asks",
        {
            "services/billing/repository/invoices.py": (
                "last_date = greatest(s.last_date, excluded.last_date)",
                "last_date = excluded.last_date",
            )
        },
        r"dates of series [-\w]+ are not in number order",
    ),
    Fault(
        22,
        "a consumer keeps all it has ever handled",
        {
            "shared/messaging/batch.py": (
                "        self.progressed_at = time.monotonic()\n",
                _KEEP_ALL,
            )
        },
        r"grew by \d|\w+ did not survive|instead of \d|waited \d+ s for",
    ),
    Fault(
        22,
        "the relay takes the whole outbox at once",
        {"shared/messaging/relay.py": ("_BATCH = 1_000\n", "_BATCH = 1_000_000\n")},
        r"grew by \d|\w+ did not survive|too fast to be watched|waited \d+ s for",
    ),
)
