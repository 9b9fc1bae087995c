"""A mail relay on a raw socket that says exactly what a test tells it to, and remembers all it heard."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Self

#: A certificate and key of 127.0.0.1 for a hundred years, trusted by nobody but these tests.
CERTIFICATE = Path(__file__).with_name("smtp_relay.pem")
#: What a scripted step does instead of answering.
HANG, DROP = "<hang>", "<drop>"
OFFERS = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES")


@dataclass
class Taken:
    """One message and its envelope."""

    sender: str
    recipients: list[str]
    raw: bytes
    kept: bool = True  #: False once the relay has refused it after its final dot

    @property
    def message(self) -> EmailMessage:
        return BytesParser(policy=default).parsebytes(self.raw)

    @property
    def text(self) -> str:
        return self.message.get_body(("plain",)).get_content().replace("\r\n", "\n")


@dataclass
class Heard:
    """One connection: every line in order, and how many packets they came in."""

    lines: list[str] = field(default_factory=list)
    packets: list[bytes] = field(default_factory=list)
    encrypted: bool = False
    ended: bool = False

    def verbs(self) -> list[str]:
        return [line.partition(" ")[0].partition(":")[0] for line in self.lines]


class SmtpRelay:
    """``says`` maps a step (connect, EHLO, MAIL, "RCPT a@b", RCPT, DATA, text, RSET, AUTH …) to its answer.

    A list is used up first to last, then the usual answer returns. A function is given the line.
    """

    def __init__(self, *, offers: tuple[str, ...] = OFFERS, tls: str = "none", **says: object) -> None:
        self.offers, self.tls = offers, tls
        self.says: dict[str, object] = {
            name: list(value) if isinstance(value, list) else value for name, value in says.items()
        }
        self.sessions: list[Heard] = []
        self.taken: list[Taken] = []
        self.delay_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        context = self.context() if self.tls == "implicit" else None
        self._server = await asyncio.start_server(self._session, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def lines(self) -> list[str]:
        return [line for heard in self.sessions for line in heard.lines]

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        return context

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        self.sessions.append(heard := Heard(encrypted=self.tls == "implicit"))
        try:
            with suppress(ConnectionError, EOFError, asyncio.CancelledError, ssl.SSLError):
                await _Talk(self, heard, reader, writer).run()
        finally:
            heard.ended = True
            self._tasks.discard(task)
            writer.close()

    def answer(self, usual: str, line: str, *steps: str) -> str:
        for step in steps:
            scripted = self.says.get(step)
            if isinstance(scripted, list):
                if scripted:
                    return scripted.pop(0) or usual
            elif isinstance(scripted, Callable):
                return scripted(line) or usual
            elif scripted is not None:
                return scripted
        return usual


class _Talk:
    def __init__(self, relay, heard, reader, writer) -> None:
        self.relay, self.heard, self.reader, self.writer = relay, heard, reader, writer
        self.buffer = bytearray()
        self.sender, self.recipients = None, []

    async def run(self) -> None:
        await self.say("220 relay ESMTP", "", "connect")
        while True:
            line = (await self.until(b"\n")).rstrip(b"\r\n").decode()
            self.heard.lines.append(line)
            await self.obey(line.partition(" ")[0].upper(), line)

    async def obey(self, verb: str, line: str) -> None:
        mailbox = (re.findall(r"<(.*?)>", line) or [""])[0]
        match verb:
            case "STARTTLS":
                await self.starttls(line)
            case "MAIL":
                await self.mail(line, mailbox)
            case "RCPT":
                await self.rcpt(line, mailbox)
            case "DATA":
                usual = "354 go" if self.recipients else "554 5.5.1 no valid recipients"
                if "354" in await self.say(usual, line, "DATA"):
                    await self.text()
            case _:
                await self.say(self.usual(verb), line, verb)
                if verb == "QUIT":
                    raise EOFError

    def usual(self, verb: str) -> str:
        match verb:
            case "EHLO":
                lines = ["relay", *self.relay.offers]
                return "\r\n".join([*(f"250-{each}" for each in lines[:-1]), f"250 {lines[-1]}"])
            case "RSET":
                self.sender, self.recipients = None, []
            case "QUIT":
                return "221 2.0.0 bye"
            case "AUTH":
                return "235 2.7.0 ok"
        return "250 2.0.0 ok"

    async def starttls(self, line: str) -> None:
        if (await self.say("220 2.0.0 go", line, "STARTTLS")).startswith("220"):
            await self.writer.start_tls(self.relay.context())
            self.heard.encrypted = True

    async def mail(self, line: str, mailbox: str) -> None:
        usual = "250 2.1.0 ok" if self.sender is None else "503 5.5.1 nested MAIL"
        if (await self.say(usual, line, "MAIL")).startswith("2"):
            self.sender = mailbox

    async def rcpt(self, line: str, mailbox: str) -> None:
        usual = "250 2.1.5 ok" if self.sender is not None else "503 5.5.1 MAIL first"
        if (await self.say(usual, line, f"RCPT {mailbox}", "RCPT")).startswith("2"):
            self.recipients.append(mailbox)

    async def text(self) -> None:
        stuffed = b"\r\n" + await self.until(b".\r\n", at_start=True)
        raw = stuffed.removesuffix(b".\r\n").replace(b"\r\n.", b"\r\n").removeprefix(b"\r\n")
        sender, recipients = self.sender, self.recipients
        self.sender, self.recipients = None, []
        if recipients:
            self.relay.taken.append(taken := Taken(sender, recipients, raw))
        await asyncio.sleep(self.relay.delay_s)
        usual = f"250 2.0.0 queued as Q{len(self.relay.taken)}" if recipients else "554 5.5.1 nobody"
        try:
            await self.say(usual, raw.decode("latin1"), "text")
        finally:
            if recipients:
                taken.kept = self.said in (HANG, DROP) or self.said.startswith("2")

    async def say(self, usual: str, line: str, *steps: str) -> str:
        self.said = answer = self.relay.answer(usual, line, *steps)
        if answer == HANG:
            await asyncio.Event().wait()
        if answer == DROP:
            raise EOFError
        if answer.startswith("<drip>"):
            for letter in answer.removeprefix("<drip>"):
                self.writer.write(letter.encode())
                await asyncio.sleep(0.05)
            answer = ""
        self.writer.write(answer.encode() + b"\r\n")
        await self.writer.drain()
        if answer.startswith("421"):
            raise EOFError
        return answer

    async def until(self, end: bytes, *, at_start: bool = False) -> bytes:
        """Return bytes up to and with ``end``; with ``at_start`` only where a line begins with it."""
        while (length := self._length(end, at_start=at_start)) == 0:
            packet = await self.reader.read(65536)
            if not packet:
                raise EOFError
            self.heard.packets.append(packet)
            self.buffer += packet
        taken = bytes(self.buffer[:length])
        del self.buffer[:length]
        return taken

    def _length(self, end: bytes, *, at_start: bool) -> int:
        if at_start and self.buffer.startswith(end):
            return len(end)
        mark = b"\r\n" + end if at_start else end
        found = self.buffer.find(mark)
        return found + len(mark) if found >= 0 else 0
