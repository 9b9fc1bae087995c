"""Where requests go: the host, how it is trusted, and what every request to it begins with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from alerting.channels.sms.wire import Target
from alerting.named import NamedTuple

if TYPE_CHECKING:
    import ssl


class Origin(NamedTuple):
    """Where connections lead."""

    tls: bool
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """Return the origin of a URL."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return cls(tls, parts.hostname or "", parts.port or (443 if tls else 80))


def head_of(target: Target) -> bytes:
    """Return everything of a request before its length, or the whole of one without a body."""
    parts = urlsplit(target.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{target.method} {path} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}", *target.headers]
    last = "Content-Length: " if target.method == "POST" else "\r\n"
    return ("\r\n".join(lines) + "\r\n" + last).encode("latin-1")


def trusting(authorities: str) -> ssl.SSLContext:
    """Return a context that believes these certificates, a file or a folder, and asks for the host's name.

    As libcurl does, it takes any certificate in them for an anchor, not only those that sign themselves.
    """
    import ssl

    folder = Path(authorities).is_dir()
    context = ssl.create_default_context(
        cafile=None if folder else authorities, capath=authorities if folder else None
    )
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
