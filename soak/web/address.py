"""An address to listen on, taken apart; apart from the server, so that `soak status` need not load one."""

from __future__ import annotations


def address_of(listen: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8765` or `[::1]:8765`."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)
