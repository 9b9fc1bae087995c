"""HTTP as it reaches the client: answers, and everything that can happen to an answer."""

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final

from alerting.sandbox.effect import Effect, Kind, When
from alerting.sandbox.exchange import Call, Front, Reply, Request
from alerting.sandbox.faults import Fault, Faults
from alerting.sandbox.world import World

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Into how many pieces a dripping answer falls.
CRUMBS: Final = 20
#: What Content-Length promises beyond what comes.
PROMISED_TOO_MUCH: Final = 512
LARGEST_REQUEST: Final = 16 * 1024 * 1024
GATEWAY_PAGE: Final = (
    b"<!DOCTYPE html><html><head><title>503 Service Temporarily Unavailable</title></head>"
    b"<body><center><h1>503 Service Temporarily Unavailable</h1></center><hr></body></html>\n"
)


class Wire:
    """The ASGI application: finds the provider, lets faults happen, answers, remembers."""

    def __init__(
        self,
        world: World,
        faults: Faults,
        *,
        front: Callable[[str], Front | None],
        house: Callable[[Request], Reply],
    ) -> None:
        self._world = world
        self._faults = faults
        self._front = front
        self._house = house
        self.touched_s = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer without a transport: what cannot be done to the connection is left out."""
        await self.serve(None, scope, receive, send)

    async def serve(
        self, transport: asyncio.Transport | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one request; faults below HTTP are done to `transport`."""
        self.touched_s = time.monotonic()
        message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
            if message["type"] == "http.disconnect" or len(body) > LARGEST_REQUEST:
                return
        request = Request(
            scope["method"], scope["path"], scope["query_string"].decode("latin-1"), scope["headers"], body
        )
        front = self._front(request.path)
        if front is None:
            await _answer(send, self._house(request))
            return
        call = front.read(request)
        fault = self._faults.meet(front.name, call.operation, (call.to,), lambda: call.text)
        if fault:
            await Mishap(self._world, front, call, fault).happen(transport, receive, send)
            return
        reply = call.answer(None)
        self._world.saw(front.name, call.operation, to=call.to, text=call.text, status=reply.status)
        await _answer(send, reply)


class Mishap:
    """One request meeting one fault."""

    def __init__(self, world: World, front: Front, call: Call, fault: Fault) -> None:
        self._world = world
        self._front = front
        self._call = call
        self._name = fault.name
        self._effect = fault.effect

    async def happen(self, transport: asyncio.Transport | None, receive: Receive, send: Send) -> None:
        """Accept the request or not, then spoil the answer."""
        effect = self._effect
        kept = self._call.answer(effect) if effect.when is When.AFTER else None
        reply = self._spoil(kept or self._front.refuse(effect), accepted=kept is not None)
        lost = effect.kind is Kind.RESET or (effect.kind is Kind.HANG and kept is None)
        self._saw(None if lost else reply.status)
        match effect.kind:
            case Kind.RESET:
                await _cut(transport, receive, abruptly=True)
            case Kind.HANG:
                gone = await _silence(receive, effect.seconds)
                if kept is None:
                    await _cut(transport, receive, abruptly=False)
                elif not gone:
                    await _answer(send, reply)
            case Kind.DRIP:
                await _drip(send, reply, effect.seconds)
            case Kind.WRONG_LENGTH if transport:
                transport.write(_head(reply, len(reply.body) + PROMISED_TOO_MUCH) + reply.body)
                await _cut(transport, receive, abruptly=False)
            case _:
                await _answer(send, reply)

    def _spoil(self, reply: Reply, *, accepted: bool) -> Reply:
        effect = self._effect
        match effect.kind:
            case Kind.STATUS | Kind.DEAD_TOKEN | Kind.CREDITS_GONE | Kind.OPTED_OUT if accepted:
                reply = self._front.refuse(effect)
            case Kind.HTML:
                reply = Reply(effect.status, GATEWAY_PAGE, (("content-type", "text/html"),))
            case Kind.EMPTY:
                reply = Reply(effect.status, b"", (("content-type", "text/plain"),))
            case Kind.HUGE:
                padding = max(0, effect.size_bytes - len(reply.body))
                reply = reply._replace(body=reply.body + b" " * padding)
            case _:
                pass
        if effect.kind is Kind.STATUS and effect.body is not None:
            reply = _with_body(reply, effect.body)
        return _with_headers(reply, effect, self._world.now())

    def _saw(self, status: int | None) -> None:
        call = self._call
        self._world.saw(
            self._front.name, call.operation, to=call.to, text=call.text, status=status, fault=self._name
        )


def _with_body(reply: Reply, body: object) -> Reply:
    if isinstance(body, str):
        return reply._replace(body=body.encode())
    return reply._replace(body=Reply.of(body).body)


def _with_headers(reply: Reply, effect: Effect, now: float) -> Reply:
    """The script's headers over the provider's; null removes, `+30` in a reset means from now."""
    if not effect.headers:
        return reply
    replaced = {name.lower() for name in effect.headers}
    kept = tuple(header for header in reply.headers if header[0].lower() not in replaced)
    added = tuple(
        (name, str(int(now) + int(value)) if name.lower().endswith("-reset") and value[:1] == "+" else value)
        for name, value in effect.headers.items()
        if value is not None
    )
    return reply._replace(headers=kept + added)


async def _answer(send: Send, reply: Reply) -> None:
    await send(_start(reply))
    await send({"type": "http.response.body", "body": reply.body})


async def _drip(send: Send, reply: Reply, seconds: float) -> None:
    await send(_start(reply))
    size = max(1, -(-len(reply.body) // CRUMBS))
    for start in range(0, len(reply.body), size):
        await asyncio.sleep(seconds / CRUMBS)
        await send(
            {"type": "http.response.body", "body": reply.body[start : start + size], "more_body": True}
        )
    await send({"type": "http.response.body", "body": b""})


async def _silence(receive: Receive, seconds: float) -> bool:
    """Say nothing for a while; True if the client left meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            await receive()
    except TimeoutError:
        return False
    return True


async def _cut(transport: asyncio.Transport | None, receive: Receive, *, abruptly: bool) -> None:
    """Close the connection, with a reset if it should hurt, and wait until it is closed."""
    if transport is None:
        return
    if abruptly:
        sever(transport)
    else:
        transport.close()
    await receive()


def sever(transport: asyncio.Transport | asyncio.WriteTransport) -> None:
    """Reset a TCP connection: the peer gets RST, not an orderly end."""
    peer = transport.get_extra_info("socket")
    if peer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _start(reply: Reply) -> dict[str, Any]:
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in reply.headers
    ]
    headers.append((b"content-length", str(len(reply.body)).encode()))
    return {"type": "http.response.start", "status": reply.status, "headers": headers}


def _head(reply: Reply, length: int) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    lines += [f"content-length: {length}", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")
