"""How the tables came to be, one file per version; run by `soak_storage.engine`."""
