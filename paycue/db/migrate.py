"""Brings one service's schema up to date with alembic: one schema, one version table, one folder of versions per service.

Forward only: a service never reads a schema newer than itself, so there is no downgrade to get wrong.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from paycue.db.engine import async_url

_LOCK = 0x70617963  # "payc": any two migrators wait for each other


def config(schema: str, versions: Path) -> Config:
    """Alembic's configuration for one service."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    made.set_main_option("version_locations", str(versions))
    made.set_main_option("path_separator", "newline")
    made.set_main_option("schema", schema)
    return made


async def migrate(url: str, schema: str, versions: Path) -> None:
    """Upgrade `schema` to its newest version. `url` needs a role that may create schemas and roles."""
    engine = create_async_engine(async_url(url))
    try:
        async with engine.begin() as connection:
            await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.execute(text(f"create schema if not exists {schema}"))
            await connection.run_sync(_upgrade, config(schema, versions))
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, alembic: Config) -> None:
    alembic.attributes["connection"] = connection
    command.upgrade(alembic, "head")
