"""Brings one service's schema up to date with alembic: one schema, one version table, one folder of versions per service.

Forward only: a service never reads a schema newer than itself, so there is no downgrade to get wrong.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

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


def async_url(url: str) -> str:
    """A SQLAlchemy URL for asyncpg of any PostgreSQL URL; libpq's `sslmode` is what asyncpg calls `ssl`."""
    given = make_url(url).set(drivername="postgresql+asyncpg")
    query = {"ssl" if name == "sslmode" else name: value for name, value in given.query.items()}
    return given.set(query=query).render_as_string(hide_password=False)
