"""A request to a provider, what came back, and the limits of both."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from alerting.channels.web_answer import Answer, Silence
from alerting.named import NamedTuple

#: A provider's answers are a few kilobytes; what is longer is not read to its end.
MOST_BYTES: Final = 1_000_000
#: Seconds a connection may take to be made, encrypted and ready.
CONNECT_S: Final = 5.0
#: Seconds an idle connection is trusted. Gateways commonly close theirs after a minute.
IDLE_S: Final = 45
#: In the order requests and curl read them, so that one setting serves every channel.
_CA_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


class Target(NamedTuple):
    """All of a request but its body. Headers are whole lines."""

    method: str
    url: str
    headers: tuple[str, ...]


class Reply(NamedTuple):
    """What came back. ``head`` is the raw header block of every response on the way."""

    status: int
    body: bytes
    head: bytes

    def full(self) -> Answer:
        """Return the answer with its headers by lower-case name, those of the last response only."""
        last = self.head.decode("latin-1").strip().rpartition("\r\n\r\n")[2]
        pairs = (line.partition(":") for line in last.split("\r\n")[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return Answer(status=self.status, headers=headers, body=self.body)


class Limits(NamedTuple):
    """How long one exchange may take as a whole, and where the trusted certificates are."""

    deadline_s: float
    authorities: str


def authorities(environ: Mapping[str, str] = os.environ) -> str:
    """Return the file or folder of trusted certificates: the usual variables, else certifi's."""
    named = next((environ[name] for name in _CA_VARIABLES if environ.get(name)), "")
    if named:
        return named
    import certifi

    return certifi.where()


#: Who is told the end of an exchange.
Done = Callable[[Reply | Silence], None]
#: What whoever still waits is told when a transport is closed.
CLOSED: Final = Silence(sent=True, detail="this program closed the connection")
