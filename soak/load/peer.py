"""What the dialler opens: a channel that speaks some protocol and hears when it could not be opened."""

from __future__ import annotations

from soak.load.channel import Channel


class Peer(Channel):
    """A subclass says which protocols it offers by ALPN and what a failure means to it."""

    __slots__ = ()

    alpn: tuple[str, ...] = ("http/1.1",)

    def broke(self, kind: str) -> None:
        """There will be no (further) answer on this connection; `kind` as counted."""
