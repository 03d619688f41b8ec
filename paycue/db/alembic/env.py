"""Alembic's entry: runs one service's migrations on the connection that `paycue.db.migrate` hands over."""

from alembic import context

_schema = context.config.get_main_option("schema")
context.configure(
    connection=context.config.attributes["connection"],
    version_table="alembic_version",
    version_table_schema=_schema,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
