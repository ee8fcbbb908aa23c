"""Run by Alembic for storage.migrations.upgrade, which hands over the connection and the name of the line."""

from __future__ import annotations

from alembic import context

from storage.migrations import LINES

given = context.config.attributes

context.configure(
    connection=given["connection"],
    target_metadata=LINES[given["line"]],
    version_table=f"alembic_{given['line']}",
    render_as_batch=True,  # SQLite changes a table by making it anew
    transactional_ddl=True,  # on SQLite too: the connection is inside BEGIN IMMEDIATE
)
with context.begin_transaction():
    context.run_migrations()
