"""One reusable HTTP/1.1 exchange over libcurl, and what it can tell afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

import pycurl

from alerting.channels.web_answer import Answer, Silence

#: A provider's answers are a few kilobytes; what is longer is not read to its end.
MOST_BYTES: Final = 1_000_000
_CONNECT_S: Final = 5.0
#: Seconds an idle connection is trusted. Gateways commonly close theirs after a minute.
_IDLE_S: Final = 45
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


class Wire:
    """A curl handle that is loaded, run by a multi handle, and read; then loaded again.

    libcurl sends a request a second time by itself when a kept-alive connection dies before the first
    byte of the answer, a POST as well (https://github.com/curl/curl/pull/18417). A text may have gone
    out by then. It cannot do so with a body it is unable to rewind, so bodies are given to it by a
    read function and never as POSTFIELDS.
    """

    __slots__ = ("_body", "_chunks", "_lines", "_target", "curl", "done")

    def __init__(self, limits: Limits) -> None:
        self.done: Done | None = None
        self._body = BytesIO()
        self._chunks: list[bytes] = []
        self._lines: list[bytes] = []
        self._target: Target | None = None
        self.curl = pycurl.Curl()
        self._prepare(limits)

    def _prepare(self, limits: Limits) -> None:
        curl = self.curl
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.TIMEOUT_MS, int(limits.deadline_s * 1000))
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(min(limits.deadline_s, _CONNECT_S) * 1000))
        curl.setopt(pycurl.MAXFILESIZE, MOST_BYTES)
        curl.setopt(pycurl.MAXAGE_CONN, _IDLE_S)
        place = pycurl.CAPATH if Path(limits.authorities).is_dir() else pycurl.CAINFO
        curl.setopt(place, limits.authorities)
        curl.setopt(pycurl.WRITEFUNCTION, self._chunks.append)
        curl.setopt(pycurl.HEADERFUNCTION, self._lines.append)

    def load(self, target: Target, body: bytes, done: Done) -> None:
        """Make ready for one exchange, whose end ``done`` is told."""
        self.done = done
        self._chunks.clear()
        self._lines.clear()
        if target is not self._target:
            self._aim(target)
        self._body = BytesIO(body)
        if target.method == "POST":
            self.curl.setopt(pycurl.POSTFIELDSIZE, len(body))
            self.curl.setopt(pycurl.READFUNCTION, self._body.read)

    def _aim(self, target: Target) -> None:
        self._target = target
        self.curl.setopt(pycurl.URL, target.url)
        # Without this an Expect header may hold a body back for a second.
        self.curl.setopt(pycurl.HTTPHEADER, [*target.headers, "Expect:"])
        self.curl.unsetopt(pycurl.CUSTOMREQUEST)
        if target.method == "POST":
            self.curl.setopt(pycurl.POST, 1)
            return
        self.curl.setopt(pycurl.HTTPGET, 1)
        if target.method != "GET":
            self.curl.setopt(pycurl.CUSTOMREQUEST, target.method)

    def reply(self) -> Reply:
        """Return what came back after an exchange that ended well."""
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return Reply(self.curl.getinfo(pycurl.RESPONSE_CODE), body, b"".join(self._lines))

    def silence(self, code: int, words: str) -> Silence:
        """Return what is known after an exchange that failed with a curl code.

        libcurl asks for the body only when names, connection, proxy tunnel and TLS are done and the
        request is about to leave, and it counts what it has written of the request. As long as both are
        nothing, the request has not left. Its times cannot be used: all are stamped on failure too.
        """
        sent = self._body.tell() > 0 or self.curl.getinfo(pycurl.REQUEST_SIZE) > 0
        return Silence(sent=sent, late=code == pycurl.E_OPERATION_TIMEDOUT, detail=f"curl {code}: {words}")

    def tell(self, end: Reply | Silence) -> None:
        """Hand the end of the exchange to whoever still waits for it."""
        done, self.done = self.done, None
        if done is not None:
            done(end)
