"""Settings from the environment.

`KONTOR_<SERVICE>_<NAME>` wins over `KONTOR_<NAME>`; with `_FILE` behind the name the value is
read from that file, so that a secret never has to stand in the environment.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["EdgeSettings", "Settings"]


class EdgeSettings(BaseModel):
    """What a process that answers requests needs; it may have no database.

    Attributes:
        graceful_timeout_s: how long a stopping process may finish what it does.
        trusted_proxies: whose `X-Forwarded-For` tells a caller's address; `*`: anybody's.
        test_clock: for development only: the file that says how far the clock is ahead.
    """

    # Passwords stand in addresses: neither shown nor quoted when a value is refused.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    service: ClassVar[str]

    api_host: str = "127.0.0.1"
    api_port: int = 8000
    graceful_timeout_s: float = 15.0
    log_level: str = "INFO"
    trusted_proxies: str = "127.0.0.1"
    test_clock: str = ""

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read every field of this class from the environment.

        Raises:
            pydantic.ValidationError: a value is missing or malformed.
        """
        values = {}
        for field in cls.model_fields:
            for name in (f"KONTOR_{cls.service}_{field}".upper(), f"KONTOR_{field}".upper()):
                if name in environ:
                    values[field] = environ[name]
                    break
                if f"{name}_FILE" in environ:
                    values[field] = Path(environ[f"{name}_FILE"]).read_text("utf-8").strip()
                    break
        return cls.model_validate(values)


class Settings(EdgeSettings):
    """What a service with data of its own needs.

    Attributes:
        database_url: `postgresql://` address of this service's own database.
        kafka_bootstrap: `host:port[,host:port]`.
        topic_prefix: put before every topic and group; isolates installations and tests.
        monitoring_port: where a worker answers `/health` and `/metrics`; 0: nowhere.
        auth_issuer: whose tokens an API accepts (`iss`); identity's, or another OIDC issuer's.
        auth_audience: what tokens must be meant for (`aud`).
        auth_jwks_url: where the issuer publishes its keys; `https://` or a mounted `file://`.
        rate_limit: requests per caller and process.
        anonymous_rate_limit: requests without a valid token per address and process.
    """

    database_url: str = Field(repr=False)
    kafka_bootstrap: str = "127.0.0.1:9092"
    topic_prefix: str = ""
    partitions: int = 6
    replication_factor: int = 1
    database_pool_size: int = 10
    monitoring_port: int = 0
    batch_max_records: int = 500
    batch_wait_ms: int = 250
    session_timeout_ms: int = 6_000
    auth_issuer: str = ""
    auth_audience: str = "kontor"
    auth_jwks_url: str = ""
    rate_limit: str = "600/second"
    anonymous_rate_limit: str = "60/minute"
