"""What all integration tests need."""

import structlog

# The default of structlog draws tracebacks with all local variables: seconds each on the event
# loop, long enough for consumers to be thrown out of their groups.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ],
)
