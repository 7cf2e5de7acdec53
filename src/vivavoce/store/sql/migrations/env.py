"""Run the steps for Alembic, in the transaction that `upgrade` began."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
