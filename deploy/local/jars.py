"""Kafka's jars from Maven Central, fetched once per user."""

import os
import ssl
from hashlib import sha256
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
    own cache is not used. Nor is its word on checksums: it warns of a wrong one and goes on.

    Raises:
        OSError: no network, or the cache cannot be written.
        RuntimeError: Maven Central does not have a jar, or not the one that is pinned.
    """
    # The machine's certificate authorities, as all other clients use, not those of a wheel.
    machines = ssl.get_default_verify_paths()
    if bundle := machines.cafile or machines.capath:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", bundle)
    # Costs 0.3 s, and only the first start needs it.
    from jgo.maven import MavenContext

    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix="fetching-") as scratch:
        jars = Path(scratch, "jars")
        jars.mkdir()
        # Not jgo's environment builder: it wants a JDK of its own to sort jars by modules.
        context = MavenContext(repo_cache=Path(scratch, "maven"))
        wanted = [context.create_dependency(coordinates) for coordinates in COORDINATES]
        for dependencies in context.resolver.resolve(wanted):
            for dependency in dependencies:
                jar = dependency.artifact.resolve()
                jar.rename(jars / jar.name)
        _verify(jars)
        try:
            jars.rename(folder)
        except OSError:
            if not folder.exists():  # else another run was faster
                raise


def _verify(folder: Path) -> None:
    """Compare with `jars.sha256`, which is written by sha256sum."""
    found = {jar.name: sha256(jar.read_bytes()).hexdigest() for jar in folder.iterdir()}
    lines = Path(__file__).with_name("jars.sha256").read_text("utf-8").splitlines()
    pinned = {name: digest for digest, name in (line.split() for line in lines)}
    if found != pinned:
        different = sorted({name for name, _ in found.items() ^ pinned.items()})
        raise RuntimeError(f"not the pinned jars: {', '.join(different)}")
