"""Makes aiokafka see that a connection was lost, on the fast event loop too (its issue 1038).

Writing to a connection in the moment between its end and the notice of it raises `OSError` in
asyncio and `RuntimeError` in uvloop. aiokafka expects the former only: the latter ends its task
that keeps the metadata up to date, and then whoever asks for metadata waits for ever.
"""

from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

__all__ = ["notice_lost_connections"]

_send = AIOKafkaConnection.send


def _send_or_notice(
    connection: AIOKafkaConnection, request: Any, expect_response: bool = True
) -> Any:
    try:
        return _send(connection, request, expect_response)
    except RuntimeError as error:
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"connection lost: {error}") from error


def notice_lost_connections() -> None:
    """Do so from now on, for all connections of this process; twice is once."""
    AIOKafkaConnection.send = _send_or_notice
