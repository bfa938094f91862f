"""The store of soak: tables, migrations, queries, retention; the only door to SQLAlchemy."""

from soak_storage.engine import StoreUnavailable
from soak_storage.store import Store, open_store

__all__ = ["Store", "StoreUnavailable", "open_store"]
