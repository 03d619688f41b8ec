"""Which jars make up the pinned Apache Kafka, and how they are fetched: `kafka.lock` names each with its SHA-256.

Run as a program by the cache. Nothing here may use a jar whose hash is not the locked one.
"""

import fcntl
import hashlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jgo.maven import MavenContext

RELEASE = "4.2.0"
ENDPOINT = f"org.apache.kafka:kafka_2.13:{RELEASE}!+org.apache.logging.log4j:log4j-slf4j-impl:2.25.3!"
"""Without the exclamation marks log4j's bill of materials pulls kafka-clients down to a release the broker dies with."""
MANIFEST = "manifest.json"
_LOCK = Path(__file__).with_name("kafka.lock")


def locked() -> dict[str, str]:
    """`group:artifact:version` -> SHA-256, in the order of the class path."""
    lines = [line.partition(" ") for line in _LOCK.read_text().splitlines() if line and not line.startswith("#")]
    return {coordinate: digest for coordinate, _, digest in lines}


def names() -> list[str]:
    """The jars' file names, in the order of the class path."""
    return ["-".join(coordinate.split(":")[1:]) + ".jar" for coordinate in locked()]


def fetch(folder: Path) -> None:
    """Bring every locked jar into the folder and write the manifest last, so that a manifest means all is there."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "fetch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one download at a time; the second finds everything there
        context = _context(folder)
        with ThreadPoolExecutor(8) as pool:
            paths = list(pool.map(lambda entry: _verified(context, *entry), locked().items()))
        sizes = {str(path.relative_to(folder)): path.stat().st_size for path in paths}
        partial = folder / f"{MANIFEST}.new"
        partial.write_text(json.dumps(sizes, indent=1))
        partial.replace(folder / MANIFEST)
    sys.stdout.write(f"Apache Kafka {RELEASE}: {len(paths)} jars, {sum(sizes.values()) / 1e6:.0f} MB\n")


def _context(folder: Path) -> "MavenContext":
    from jgo.maven import MavenContext

    return MavenContext(repo_cache=folder / "jars", timeout=60)


def _verified(context: "MavenContext", coordinate: str, digest: str) -> Path:
    group, artifact, release = coordinate.split(":")
    jar = context.project(group, artifact).at_version(release).artifact()
    for _ in range(2):  # a download that was cut short is fetched again once
        path = Path(jar.resolve())
        if hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            return path
        path.unlink()
    raise SystemExit(f"{coordinate} does not have the SHA-256 of {_LOCK.name}: what was downloaded was altered on the way")


def lock(folder: Path) -> str:
    """A new `kafka.lock`: what Maven's rules resolve the pinned release to, downloaded into the folder."""
    from jgo.parse import Endpoint

    context = _context(folder)
    wanted = [context.create_dependency(replace(named, scope="compile")) for named in Endpoint.parse(ENDPOINT).coordinates]
    inputs, others = context.resolver.resolve(wanted)
    artifacts = [found.artifact for found in (*inputs, *others) if found.scope in ("compile", "runtime")]
    lines = [f"{a.groupId}:{a.artifactId}:{a.version} {hashlib.sha256(Path(a.resolve()).read_bytes()).hexdigest()}" for a in artifacts]
    return "\n".join([f"# {ENDPOINT}, resolved by python -m paycue.local.jars --lock FOLDER", *lines, ""])


if __name__ == "__main__":
    if sys.argv[1] == "--lock":
        sys.stdout.write(lock(Path(sys.argv[2])))
    else:
        fetch(Path(sys.argv[1]))
