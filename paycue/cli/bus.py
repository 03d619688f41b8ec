"""`paycue migrate` and `paycue topics`: what an installation needs before its services start."""

from typing import Annotated

import typer
import uvloop

from paycue.app import discover, migrate_all
from paycue.bus.flow import Flow
from paycue.bus.kafka import KafkaBus
from paycue.bus.topics import topics as known
from paycue.cli import quiet
from paycue.cli.options import DatabaseUrl, Kafka
from paycue.cli.progress import out, say
from paycue.settings import masked


def register(app: typer.Typer) -> None:
    app.command("migrate")(migrate)
    app.command("topics")(topics)


def migrate(
    database_url: DatabaseUrl,
    names: Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]...", help="Absent: all.")] = None,
) -> None:
    """Bring the database schemas up to date."""
    quiet.configure()
    services = discover(names or ())
    for service in services:
        say(f"Migrating {service.name}")
        try:
            uvloop.run(migrate_all(database_url, [service]))
        except OSError as error:
            raise RuntimeError(
                f"no PostgreSQL answers at {masked(database_url)} ({error.strerror or error}): start it, or name another"
            ) from None
    out.print(f"  {len(services)} schemas are up to date")


def topics(kafka: Kafka) -> None:
    """Create the topics that are missing."""
    quiet.configure()
    uvloop.run(KafkaBus(kafka, Flow()).create_topics())
    for topic in known().values():
        out.print(f"  {topic.name}  {topic.partitions} partitions, {'compacted' if topic.compact else 'kept'}", highlight=False)
