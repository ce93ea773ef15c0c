"""Structured logs: one JSON object per line, with the request they belong to."""

import logging
import sys
from typing import Any

import structlog

from shared.correlation import correlation

__all__ = ["setup_logging"]


def _with_correlation(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    if found := correlation():
        event.setdefault("correlation_id", found.request_id)
    return event


def setup_logging(service: str, level: str) -> None:
    """Send structlog and standard logging alike to standard output."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_correlation,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )

    def with_service(_logger: object, _method: str, event: Any) -> Any:
        return {"service": service, **event}

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                with_service,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # httpx would log addresses, and with them what people searched for.
    for name in ("aiokafka", "faststream", "httpx"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True
