"""Requests as bytes, encoded once: what a declarative scenario sends is the same every time."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from soak import __version__
from soak.errors import SoakError

_OF_THE_CONNECTION = ("host", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade")
_SAFE = "/%:@!$&'()*+,;=-._~?#[]"  # characters of a path and query that are sent as they were written


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a base URL points: `prefix` is its path without the closing slash."""

    host: str
    port: int
    tls: bool
    prefix: str

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """The endpoint of an http or https URL; SoakError load_url for anything else."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SoakError("load_url", url=url)
        tls = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if tls else 80), tls, parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """Value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    def target(self, path: str) -> str:
        """The request target of `path`: under the prefix, escaped where it has to be."""
        return quote(self.prefix + (path if path.startswith("/") else f"/{path}"), safe=_SAFE).split("#")[0]

    def context(self, alpn: Sequence[str] = ("http/1.1",)) -> ssl.SSLContext | None:
        """TLS settings, None for plain HTTP; SSL_CERT_FILE names further authorities, as everywhere."""
        if not self.tls:
            return None
        context = ssl.create_default_context()
        context.set_alpn_protocols(alpn)
        return context


def encode(
    endpoint: Endpoint, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
) -> tuple[bytes, bytes]:
    """Head and body of an HTTP/1.1 request; the user's headers win over our own."""
    merged = {**({} if _named(headers, "host") else {"Host": endpoint.authority}), **_merged(method, headers, body)}
    lines = [f"{method} {endpoint.target(path)} HTTP/1.1", *(f"{name}: {value}" for name, value in merged.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise SoakError("load_header", path=path)
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8"), body


Fields = tuple[tuple[bytes, bytes], ...]


def fields(endpoint: Endpoint, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Fields:
    """The same request for HTTP/2 (RFC 9113, section 8.3): what belongs to a connection is left out."""
    pseudo = {
        ":method": method,
        ":scheme": "https" if endpoint.tls else "http",
        ":authority": _named(headers, "host") or endpoint.authority,
        ":path": endpoint.target(path),
    }
    merged = {name.lower(): value for name, value in _merged(method, headers, body).items()}
    own = {name: value for name, value in merged.items() if name not in _OF_THE_CONNECTION}
    return tuple((name.encode(), value.encode()) for name, value in (pseudo | own).items())


def _merged(method: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """The user's headers and those of ours that they do not replace."""
    ours = {"User-Agent": f"soak/{__version__}", "Accept": "*/*"}
    if body or method in ("POST", "PUT", "PATCH"):
        ours["Content-Length"] = str(len(body))
    return {name: value for name, value in ours.items() if _named(headers, name) is None} | dict(headers)


def _named(headers: Mapping[str, str], wanted: str) -> str | None:
    return next((value for name, value in headers.items() if name.lower() == wanted.lower()), None)
