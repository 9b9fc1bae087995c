"""One SMTP client's conversation: what is accepted is kept, what the script says goes wrong."""

import re
import ssl
import time
from typing import Final

from alerting.named import NamedTuple
from alerting.sandbox.effect import Kind, When
from alerting.sandbox.faults import Fault, Faults
from alerting.sandbox.login import Login
from alerting.sandbox.records import Provider
from alerting.sandbox.script import MAILBOX_REPLIES
from alerting.sandbox.smtpwire import SmtpWire
from alerting.sandbox.world import World

LARGEST_MESSAGE: Final = 25 * 1024 * 1024
MOST_RECIPIENTS: Final = 1000
PATH: Final = re.compile(r"(?i)(?:FROM|TO):\s*<([^<>\r\n]*)>\s*(.*)")
#: What follows an address.  RFC 1870, 6152, 6531, 3461.
PARAMETERS: Final = frozenset({"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "NOTIFY", "ORCPT", "AUTH"})
GREYLISTED: Final = MAILBOX_REPLIES["greylisted"]


class Closed(Exception):
    """The session is over."""


class Answer(NamedTuple):
    """What to say, and whether the connection ends with it."""

    line: str
    last: bool = False


class Office:
    """What every session shares."""

    def __init__(self, world: World, faults: Faults, tls: ssl.SSLContext | None) -> None:
        self.world = world
        self.faults = faults
        self.tls = tls
        self.greylisted: set[str] = set()
        self.touched_s = time.monotonic()


class Session:
    """One client's conversation."""

    def __init__(self, office: Office, wire: SmtpWire) -> None:
        self._office = office
        self._world = office.world
        self._wire = wire
        self._login = Login(office.world.credentials, wire)
        self._greeted = False
        self._forget()

    def _forget(self) -> None:
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._options: list[str] = []

    async def run(self) -> None:
        """Talk until one side leaves."""
        await self._say(await self._meet("connect", (), Answer("220 sandbox.invalid ESMTP")))
        while True:
            line = await self._wire.line()
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            await self._say(await self._obey(verb.upper(), rest.strip()))

    async def _say(self, answer: Answer | None) -> None:
        if answer is None:
            return
        await self._wire.say(answer.line)
        if answer.last:
            await self._wire.flush()
            raise Closed

    async def _obey(self, verb: str, rest: str) -> Answer | None:  # noqa: C901, PLR0911  # a table of verbs
        match verb:
            case "EHLO" | "HELO":
                return await self._meet("ehlo", (), Answer(self._hello(verb)))
            case "STARTTLS" if self._office.tls:
                await self._starttls(self._office.tls)
                return None
            case "AUTH":
                return await self._auth(rest)
            case "MAIL":
                return await self._mail(rest)
            case "RCPT":
                return await self._rcpt(rest)
            case "DATA":
                return await self._data()
            case "RSET":
                self._forget()
                return Answer("250 2.0.0 Reset")
            case "NOOP":
                return Answer("250 2.0.0 Still here")
            case "VRFY":
                return Answer("252 2.1.5 Send it and see")
            case "QUIT":
                return Answer("221 2.0.0 Bye", last=True)
            case _:
                return Answer("500 5.5.2 Command not recognized")

    # -- greetings

    def _hello(self, verb: str) -> str:
        self._greeted = True
        self._forget()
        if verb == "HELO":
            return "250 sandbox.invalid"
        offers = ["sandbox.invalid", "PIPELINING", f"SIZE {LARGEST_MESSAGE}", "8BITMIME", "SMTPUTF8", "DSN"]
        offers += ["ENHANCEDSTATUSCODES", "AUTH PLAIN LOGIN XOAUTH2"]
        if self._office.tls and not self._wire.encrypted:
            offers.append("STARTTLS")
        return "\r\n".join(
            f"250{' ' if number == len(offers) else '-'}{offer}" for number, offer in enumerate(offers, 1)
        )

    async def _starttls(self, tls: ssl.SSLContext) -> None:
        await self._wire.say("220 2.0.0 Ready to start TLS")
        await self._wire.start_tls(tls)
        self._greeted = False
        self._forget()

    async def _auth(self, rest: str) -> Answer:
        answer = Answer(await self._login.attempt(rest))
        met = await self._meet("auth", (), answer)
        if met is answer:
            self._world.saw("smtp", "auth", status=int(met.line[:3]))
        return met

    # -- envelope

    async def _mail(self, rest: str) -> Answer:
        if not self._greeted:
            return Answer("503 5.5.1 Say EHLO first")
        if self._sender is not None:
            return Answer("503 5.5.1 One sender at a time")
        found = PATH.fullmatch(rest)
        if not found:
            return Answer("501 5.5.4 Write MAIL FROM:<address>")
        if refused := _refused_parameters(found[2]):
            return refused
        answer = await self._meet("mail", (found[1],), Answer("250 2.1.0 Sender ok"))
        if answer.line.startswith("250"):
            self._sender = found[1]
            self._options = found[2].split()
        return answer

    async def _rcpt(self, rest: str) -> Answer:
        if self._sender is None:
            return Answer("503 5.5.1 MAIL first")
        found = PATH.fullmatch(rest)
        if not found or "@" not in found[1]:
            return Answer("501 5.1.3 Write RCPT TO:<address>")
        if refused := _refused_parameters(found[2]):
            return refused
        if len(self._recipients) >= MOST_RECIPIENTS:
            return Answer("452 4.5.3 Too many recipients")
        line = self._mailbox(found[1].lower()) or "250 2.1.5 Recipient ok"
        usual = Answer(line)
        answer = await self._meet("rcpt", (found[1],), usual)
        if answer.line.startswith("250"):
            self._recipients.append(found[1])
            self._options += found[2].split()
        else:
            self._world.counts["mail_refused"] += 1
            if answer is usual:
                self._world.saw("smtp", "rcpt", to=found[1], status=int(line[:3]))
        return answer

    def _mailbox(self, address: str) -> str | None:
        """What is special about a mailbox; a greylisted one is refused once."""
        script = self._office.faults.script
        reply = script.mailboxes.get(address) or (GREYLISTED if script.switches.greylist else None)
        if reply == GREYLISTED:
            if address in self._office.greylisted:
                return None
            self._office.greylisted.add(address)
        return reply

    # -- message

    async def _data(self) -> Answer:
        if self._sender is None:
            return Answer("503 5.5.1 MAIL first")
        if not self._recipients:
            return Answer("554 5.5.1 No valid recipients")
        answer = await self._meet("data", tuple(self._recipients), Answer("354 End with a dot"))
        if not answer.line.startswith("354"):
            return answer
        await self._wire.say(answer.line)
        await self._wire.flush()
        raw = await self._wire.body(LARGEST_MESSAGE)
        if raw is None:
            self._forget()
            return Answer("552 5.3.4 Message too big")
        return await self._accept(raw)

    async def _accept(self, raw: bytes) -> Answer:
        recipients = tuple(self._recipients)
        self._office.touched_s = time.monotonic()
        fault = self._office.faults.meet("smtp", "create", recipients, lambda: raw.decode("utf-8", "replace"))
        effect = fault.effect if fault else None
        spoiled = effect is not None and effect.when is When.BEFORE
        number = len(self._world.mails)
        if not spoiled:
            self._world.keep_mail(self._sender or "", recipients, raw, tuple(self._options))
        self._forget()
        answer = Answer(f"250 2.0.0 Ok: queued as SBX{number:08d}")
        status: int | None = 250
        try:
            answer = await self._suffer(fault, answer) if fault else answer
            status = int(answer.line[:3])
        except Closed:
            status = None
            raise
        finally:
            self._world.saw(
                Provider.SMTP.value,
                "create",
                to=recipients[0],
                text=f"{len(recipients)} recipients, {len(raw)} bytes",
                status=status,
                fault=fault.name if fault else None,
            )
        return answer

    # -- faults

    async def _meet(self, operation: str, to: tuple[str, ...], answer: Answer) -> Answer:
        fault = self._office.faults.meet("smtp", operation, to, lambda: "")
        if fault is None:
            return answer
        try:
            met = await self._suffer(fault, answer)
        except Closed:
            self._world.saw("smtp", operation, to=",".join(to), status=None, fault=fault.name)
            raise
        status = int(met.line[:3])
        self._world.saw("smtp", operation, to=",".join(to), status=status, fault=fault.name)
        return met

    async def _suffer(self, fault: Fault, answer: Answer) -> Answer:
        """Do what the script says; the answer that remains, if the connection does."""
        effect = fault.effect
        match effect.kind:
            case Kind.STATUS:
                text = effect.body if isinstance(effect.body, str) else "Scripted by the sandbox"
                line = f"{effect.status} {' '.join(text.split())}"
                return Answer(line, last=effect.status == 421)  # noqa: PLR2004
            case Kind.DEAD_TOKEN:
                return Answer("535 5.7.8 Authentication credentials invalid")
            case Kind.HANG:
                await self._wire.silence(effect.seconds)
                if effect.when is When.BEFORE:
                    raise Closed
                return answer
            case Kind.DRIP:
                await self._wire.drip(answer.line, effect.seconds)
                raise Closed
            case _:
                self._wire.sever()
                raise Closed


def _refused_parameters(rest: str) -> Answer | None:
    for parameter in rest.upper().split():
        name, _, value = parameter.partition("=")
        if name not in PARAMETERS:
            return Answer(f"555 5.5.4 {name} is not understood")
        if name == "SIZE" and value.isdecimal() and int(value) > LARGEST_MESSAGE:
            return Answer("552 5.3.4 Message too big")
    return None
