"""The fault script: which requests go wrong, and how. Parsed once, with errors that say what to write."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from alerting.sandbox.effect import AFTER_BY_DEFAULT, DEFAULT_STATUS, ONLY_FOR, Effect, Kind, When
from alerting.sandbox.fields import Fields, ScriptError

__all__ = ["Match", "Rule", "Script", "ScriptError", "Switches"]

#: No fault may hold a connection longer, in seconds.
LONGEST_WAIT_S: Final = 120.0
LARGEST_BODY: Final = 64 * 1024 * 1024

PROVIDERS: Final = ("x", "graph", "twilio", "smtp", "*")
OPERATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "x": ("create", "reply", "delete", "get", "list", "mentions", "me", "users"),
    "graph": (
        "create",
        "comment",
        "edit",
        "delete",
        "get",
        "list",
        "comments",
        "page",
        "me",
        "accounts",
        "debug_token",
    ),
    "twilio": ("create", "list", "get", "cancel", "account", "balance"),
    "smtp": ("create", "connect", "ehlo", "auth", "mail", "rcpt", "data"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which requests a rule means; every field that is given has to hold."""

    to: frozenset[str] = frozenset()
    text_contains: str = ""
    nth: frozenset[int] = frozenset()
    every: int = 0
    first: int = 0
    times: int = 0
    probability: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A provider, an operation, a match and an effect."""

    name: str
    provider: str
    operation: str
    match: Match
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """How the providers behave when nothing is wrong with the wire."""

    x_replies: str = "own"  #: own: to one's own posts only; all; none: the 403 of 2026-02-23 for each
    x_credits: bool = True  #: False: every X call answers 402
    x_limits: bool = False  #: True: past the documented windows X answers 429
    callbacks: bool = True  #: False: nothing is ever posted to a StatusCallback
    greylist: bool = False  #: True: the first RCPT of each address answers 450
    twilio_balance: float = 250.0  #: in USD
    graph_usage: float = 0.0  #: percent of its calls Graph says are used, at least; more where more were made
    sent_after_s: float = 0.05  #: queued until then
    delivered_after_s: float = 0.15  #: sent until then; both are stretched by up to half, from the seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A whole fault script.

    In JSON; every field but a rule's effect may be left out:

        {"seed": 7,
         "switches": {"x_replies": "none"},
         "numbers": {"+15550100001": "landline"},
         "senders": {"+15550199999": 30034},
         "mailboxes": {"gone@example.edu": "unknown"},
         "rules": [{"name": "busy", "provider": "twilio", "operation": "create",
                    "match": {"every": 10},
                    "effect": {"kind": "status", "status": 429, "retry_after": 1}},
                   {"provider": "x", "effect": "reset"}]}

    The first rule that fires wins. `to` is the recipient: a phone, an address, an X account, a page.
    """

    seed: int | None = None
    switches: Switches = field(default_factory=Switches)
    numbers: Mapping[str, int] = field(default_factory=dict)
    senders: Mapping[str, int] = field(default_factory=dict)
    mailboxes: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    @classmethod
    def load(cls, path: Path) -> "Script":
        """Read a script from a JSON file.

        Raises:
            ScriptError: with the file, the field and what to write.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ScriptError(f"{path}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise ScriptError(f"{path}: not JSON ({error})") from error
        try:
            return cls.parse(data)
        except ScriptError as error:
            raise ScriptError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, data: object) -> "Script":
        """Read a script from plain data: `{"rules": [...], ...}` or the list of rules alone.

        Raises:
            ScriptError: with the field and what to write.
        """
        fields = Fields({"rules": data} if isinstance(data, list) else data, "")
        script = cls(
            seed=fields.whole("seed") if fields.has("seed") else None,
            switches=_switches(fields.sub("switches")),
            numbers=_codes(fields.sub("numbers"), NUMBER_WORDS),
            senders=_codes(fields.sub("senders"), SENDER_WORDS),
            mailboxes=_mailboxes(fields.sub("mailboxes")),
            rules=tuple(_rule(entry, position) for position, entry in enumerate(fields.entries("rules"))),
        )
        fields.done()
        return script


#: Words for what is special about a phone number -> Twilio error code.
#: Codes below 30000 refuse the create; the others come later, as a status.
NUMBER_WORDS: Final[Mapping[str, int]] = {
    "invalid": 21211,
    "landline": 21614,
    "opted_out": 21610,
    "no_route": 21612,
    "region_off": 21408,
    "unreachable": 30003,
    "blocked": 30004,
    "unknown": 30005,
    "landline_later": 30006,
    "filtered": 30007,
}
SENDER_WORDS: Final[Mapping[str, int]] = {
    "unregistered": 30034,
    "toll_free_unverified": 30032,
    "not_owned": 21606,
    "queue_full": 21611,
}
#: Words for what is special about a mailbox -> the reply to its RCPT.
MAILBOX_REPLIES: Final[Mapping[str, str]] = {
    "unknown": "550 5.1.1 The mailbox does not exist",
    "full": "452 4.2.2 The mailbox is full",
    "refused": "550 5.7.1 Delivery is not authorized",
    "throttled": "450 4.2.1 The mailbox receives mail at a rate that is too high",
    "greylisted": "450 4.7.1 Greylisted, come back later",
}


def _switches(fields: Fields) -> Switches:
    plain = Switches()
    switches = Switches(
        x_replies=fields.choice("x_replies", ("own", "all", "none"), plain.x_replies),
        x_credits=fields.flag("x_credits", default=plain.x_credits),
        x_limits=fields.flag("x_limits", default=plain.x_limits),
        callbacks=fields.flag("callbacks", default=plain.callbacks),
        greylist=fields.flag("greylist", default=plain.greylist),
        twilio_balance=fields.number("twilio_balance", plain.twilio_balance, most=1_000_000),
        graph_usage=fields.number("graph_usage", plain.graph_usage, most=100),
        sent_after_s=fields.number("sent_after_s", plain.sent_after_s, most=3600),
        delivered_after_s=fields.number("delivered_after_s", plain.delivered_after_s, most=3600),
    )
    fields.done()
    return switches


def _codes(fields: Fields, words: Mapping[str, int]) -> dict[str, int]:
    return {name: fields.code(name, words) for name in fields.names()}


def _mailboxes(fields: Fields) -> dict[str, str]:
    choices = tuple(MAILBOX_REPLIES)
    return {name.lower(): MAILBOX_REPLIES[fields.choice(name, choices, "")] for name in fields.names()}


def _rule(entry: object, position: int) -> Rule:
    fields = Fields(entry, f"rules[{position}]")
    provider = fields.choice("provider", PROVIDERS, "*")
    rule = Rule(
        name=fields.text("name", f"rule {position}"),
        provider=provider,
        operation=_operation(fields, provider),
        match=_match(fields.sub("match")),
        effect=_effect(fields, provider),
    )
    fields.done()
    return rule


def _operation(fields: Fields, provider: str) -> str:
    if provider == "*":
        known = sorted({name for names in OPERATIONS.values() for name in names})
    else:
        known = list(OPERATIONS[provider])
    return fields.choice("operation", ("*", *known), "*")


def _match(fields: Fields) -> Match:
    match = Match(
        to=frozenset(fields.texts("to")),
        text_contains=fields.text("text_contains", ""),
        nth=frozenset(fields.wholes("nth")),
        every=fields.whole("every", 0),
        first=fields.whole("first", 0),
        times=fields.whole("times", 0),
        probability=fields.number("probability", 1.0, most=1.0),
    )
    fields.done()
    return match


def _effect(rule: Fields, provider: str) -> Effect:
    fields = rule.sub("effect", shorthand="kind", needed=True)
    kind = Kind(fields.choice("kind", tuple(Kind), ""))
    allowed = ONLY_FOR.get(kind)
    if allowed and provider not in allowed:
        raise fields.wrong("kind", f'"{kind}" cannot be done by provider "{provider}"', " or ".join(allowed))
    usual = When.AFTER if kind in AFTER_BY_DEFAULT else When.BEFORE
    needs_status = kind is Kind.STATUS
    headers = fields.headers("headers")
    if fields.has("retry_after"):
        headers = {"Retry-After": str(fields.whole("retry_after")), **headers}
    effect = Effect(
        kind=kind,
        when=When(fields.choice("when", tuple(When), usual)),
        status=fields.status("status", DEFAULT_STATUS.get(kind, 200), needed=needs_status),
        body=fields.take("body"),
        headers=headers,
        seconds=fields.number("seconds", 5.0, most=LONGEST_WAIT_S),
        size_bytes=fields.whole("size_bytes", 5_000_000, most=LARGEST_BODY),
        code=fields.whole("code") if fields.has("code") else None,
        order=fields.choice("order", ("normal", "reversed", "shuffled"), "normal"),
        copies=fields.whole("copies", 1, least=1, most=10),
        outcome=fields.choice("outcome", ("delivered", "undelivered", "failed", "sent", "none"), "delivered"),
    )
    fields.done()
    return effect
