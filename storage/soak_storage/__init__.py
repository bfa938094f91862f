"""The store of soak: tables, migrations, queries, retention; the only door to SQLAlchemy."""
