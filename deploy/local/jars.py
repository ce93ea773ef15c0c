"""Kafka's jars from Maven Central, fetched once per user."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

KAFKA_VERSION = "4.3.1"
LOG4J_VERSION = "2.25.4"
COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}",
    f"org.apache.logging.log4j:log4j-slf4j2-impl:{LOG4J_VERSION}",
)
FOLDER_NAME = f"kafka-{KAFKA_VERSION}-log4j-{LOG4J_VERSION}"


def jar_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "kontor" / FOLDER_NAME


def fetch_jars(folder: Path) -> None:
    """Resolve and download into a scratch folder and move the result into place.

    jgo takes a half-filled cache of an interrupted or concurrent run for a complete one, so its
    own caches are not used. Checksums are its work.

    Raises:
        OSError: no network, or the cache cannot be written.
        RuntimeError: Maven Central does not have a jar, or its checksum differs.
    """
    # Costs 0.3 s, and only the first start needs it.
    from jgo.env import EnvironmentBuilder, LinkStrategy
    from jgo.maven import MavenContext

    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix="fetching-") as scratch:
        jars = Path(scratch, "jars")
        jars.mkdir()
        environment = EnvironmentBuilder(
            MavenContext(repo_cache=Path(scratch, "maven")),
            cache_dir=Path(scratch, "jgo"),
            link_strategy=LinkStrategy.COPY,
        ).from_endpoint("+".join(COORDINATES))
        for jar in environment.all_jars:
            jar.rename(jars / jar.name)
        try:
            jars.rename(folder)
        except OSError:
            if not folder.exists():  # else another run was faster
                raise
