"""Run the migrations on the connection that `soak_storage.engine` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from soak_storage.service_tables import jobs

context.configure(
    connection=context.config.attributes["connection"], target_metadata=jobs.metadata, transactional_ddl=False
)
context.run_migrations()
