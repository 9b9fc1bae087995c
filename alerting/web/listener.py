"""A door of ours: a socket that listens, and the server behind it, which leaves signals to its process."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from alerting.errors import Problem, UsageProblem

if TYPE_CHECKING:
    from starlette.applications import Starlette

#: Most connections open at once; one more is answered 503 by the server itself.
_CONNECTIONS: Final = 1_000
_LONGEST_HEAD: Final = 32 * 1024
_BACKLOG: Final = 2048
_GRACE_S: Final = 3


def bind(host: str, port: int, *, section: str = "callbacks") -> socket.socket:
    """Return a listening socket; ``section`` is where the address is configured.

    Raises:
        UsageProblem: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle off on what is accepted.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        what = f"cannot listen on {host}:{port} ({error.strerror})"
        raise UsageProblem(
            Problem(where=f"{section}.listen", what=what, fix="name a free port of this machine")
        ) from error
    listener.setblocking(False)  # noqa: FBT003
    return listener


class Server(uvicorn.Server):
    """A server that leaves the process's signals to whoever owns the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Catch none."""
        yield


def settings(app: Starlette) -> uvicorn.Config:
    """Return how an application is served: few words, bounded heads and connections."""
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        backlog=_BACKLOG,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_GRACE_S,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
    )
