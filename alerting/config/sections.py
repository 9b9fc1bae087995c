"""The sections of the file around its channels."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)

from alerting.channels.settings import NAME_PATTERN, refused
from alerting.config.ledger import LedgerField

#: https, or plain http on this machine, where a simulator calls.
_PUBLIC: Final = re.compile(
    r"(?:https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?|http://(?:127\.0\.0\.1|localhost)(?::[0-9]{1,5})?)"
    r"(?:/[A-Za-z0-9._~/-]*)?"
)
_LAST_PORT: Final = 65_535
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
#: An address, or a reference to one.
_CALENDAR: Final = {
    "oneOf": [
        {"type": "string", "minLength": 1},
        {
            "type": "object",
            "properties": {"env": {"type": "string", "pattern": f"^{_VARIABLE.pattern}$"}},
            "required": ["env"],
            "additionalProperties": False,
        },
    ]
}
_LINK: Final = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?(?:/[!-~]*)?")


def _time_zone(name: str) -> str:
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(name)
    # ZoneInfo looks names up as paths: what is no name at all fails as paths do.
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        from difflib import get_close_matches

        # A slip of the fingers is put right; a town that has no zone is not sent to another one's.
        near = get_close_matches(name, zoneinfo.available_timezones(), n=1, cutoff=0.9)
        fix = f"write {near[0]}" if near else "write it like America/New_York"
        raise refused("there is no such time zone", fix) from None
    return name


def _region(code: str) -> str:
    if code in ("US", "CA"):
        return code
    import phonenumbers

    if code not in phonenumbers.SUPPORTED_REGIONS:
        raise refused("there is no such country", "write two capital letters, like US")
    return code


def _one_line(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise refused("a line break, or blanks at an end", "write it on one line")
    return text


def _link(text: str) -> str:
    if text and not _LINK.fullmatch(text):
        raise refused("not a link", "write it like https://alerts.example.edu")
    return text


def _version(value: Any) -> Any:
    return int(value) if value == "1" else value


_Line = Annotated[str, AfterValidator(_one_line)]
_Path = Annotated[str, Field(min_length=1, max_length=1000)]
_Name = Annotated[str, Field(pattern=NAME_PATTERN)]
_Region = Annotated[str, AfterValidator(_region), Field(description="Two capital letters, like US.")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class CampusSection(_Section):
    """Who speaks."""

    name: _Line = Field(min_length=1, max_length=80, description="The campus's full name.")
    source: _Line = Field(
        min_length=1, max_length=30, description="The words every alert starts with, like NSU ALERT."
    )
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(
        description="The campus's clock, like America/New_York."
    )
    region: _Region = Field(default="US", description="The country of numbers without a country code.")
    link: Annotated[str, AfterValidator(_link)] = Field(
        default="", max_length=200, description="Where people find more, like https://alerts.example.edu."
    )
    places: list[_Line] = Field(
        default_factory=list, max_length=2_000, description="Buildings and places, offered while typing."
    )


class AudienceSection(_Section):
    """A named set of people."""

    csv: _Path = Field(description="The list, a CSV file; relative to this file's folder.")
    groups: list[_Line] = Field(
        default_factory=list, description="Only people of at least one of these groups; empty for all."
    )
    region: _Region | None = Field(default=None, description="Where the list's local numbers are from.")


class DefaultsSection(_Section):
    """What an alert goes to when the officer names nothing."""

    channels: list[_Name] | None = Field(
        default=None, min_length=1, description="Channels, in the order people see them; all when left out."
    )
    audience: _Name | None = Field(default=None, description="The audience; the first when left out.")


class RetrySection(_Section):
    """How often a delivery is tried."""

    attempts: int = Field(default=60, ge=1, le=1000, description="Most tries of one delivery.")
    fallback_after_s: float = Field(
        default=10.0, gt=0, le=600, description="Seconds of trouble after which a fallback takes over."
    )


class AuditSection(_Section):
    """Where proof of the record is kept."""

    checkpoints: _Path | None = Field(
        default=None, description="A file on another machine's disk; a signed line of the log is added there."
    )
    retain_days: int | None = Field(
        default=None,
        ge=7,
        le=36_500,
        description="`alert serve` forgets people this many days after an alert came to rest; never without.",
    )


class PublishSection(_Section):
    """What other programs read."""

    feed: _Path | None = Field(
        default=None, description="An Atom feed of CAP alerts, written anew at each event."
    )
    sender: str = Field(
        default="",
        pattern=r"^[^\s,<&]*$",
        max_length=200,
        description="CAP sender, like alerts@example.edu; the host of link when left out.",
    )
    url: Annotated[str, AfterValidator(_link)] = Field(
        default="", max_length=200, description="Where the feed's folder is on the web."
    )


def _calendar(value: Any) -> str:
    """Read an address, or the name of the variable that holds one, as ``$NAME``."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, dict) and list(value) == ["env"] and _VARIABLE.fullmatch(str(value["env"])):
        return f"${value['env']}"
    raise refused(
        "neither an address nor a variable", "write https://…, a file, or {env: NAME_OF_A_VARIABLE}"
    )


class OnCallSection(_Section):
    """Who looks after this system, and how they are told about it."""

    roster: _Path = Field(
        description="The duty roster, YAML or CSV: people, and when they are on duty; see docs/on-call.md."
    )
    calendar: Annotated[str, PlainValidator(_calendar), WithJsonSchema(_CALENDAR)] = Field(
        default="",
        description="An iCalendar address (https, http, or a file) that says who is on duty instead of the"
        " roster's shifts; {env: NAME} where the address itself is a secret.",
    )
    channels: list[_Name] | None = Field(
        default=None,
        min_length=1,
        description="Channels for notices; the first for texts and the first for mail when left out.",
    )
    escalate_after_minutes: float = Field(
        default=5, ge=0.05, le=24 * 60, description="Without an `alert ack` for this long, the next are told."
    )
    probe_every_minutes: float = Field(
        default=10, ge=0.05, le=15, description="How often `alert serve` asks every provider."
    )
    signal: Annotated[str, PlainValidator(_calendar), WithJsonSchema(_CALENDAR)] = Field(
        default="",
        description="A dead man's signal, given every minute while `alert ready` says yes: an address that is"
        " fetched, {env: NAME} for one in the environment, or a file that is touched.",
    )


def _public(url: str) -> str:
    if _PUBLIC.fullmatch(url):
        return url.rstrip("/")
    raise refused(
        "not a public address of ours", "write it like https://alerts.example.edu/hooks, without a query"
    )


def _listen(text: str) -> str:
    host, _, port = text.rpartition(":")
    if host and port.isascii() and port.isdigit() and 0 < int(port) <= _LAST_PORT:
        return text
    raise refused(f'"{text[:40]}" is not a place to listen', "write it like 127.0.0.1:8460")


class CallbacksSection(_Section):
    """Where providers reach us with receipts; served by ``alert serve``."""

    public_url: Annotated[str, AfterValidator(_public)] = Field(
        max_length=500,
        description="Our address as providers know it, like https://alerts.example.edu/hooks. What they"
        " sign is checked against it.",
    )
    listen: Annotated[str, AfterValidator(_listen)] = Field(
        default="127.0.0.1:8460",
        description="Where `alert serve` listens: the proxy that ends TLS for public_url passes on to it.",
    )


class MonitorSection(_Section):
    """Where monitors of our own look; served by ``alert serve``, never to the public."""

    listen: Annotated[str, AfterValidator(_listen)] = Field(
        default="127.0.0.1:8461",
        description="Where `alert serve` answers /livez, /readyz and /metrics: for this host or a private"
        " network, never through the public proxy.",
    )


class File(_Section):
    """The whole file; its channels are read by their own kinds."""

    version: Annotated[Literal[1], BeforeValidator(_version)] = Field(description="The form of this file: 1.")
    campus: CampusSection
    state: _Path = Field(default="state", description="The folder of the ledger; relative to this file's.")
    ledger: LedgerField | None = Field(
        default=None,
        description="A PostgreSQL that several hosts share, instead of a file in the state folder:"
        " {env: ALERT_LEDGER}, {file: PATH}, {credential: NAME}, or postgresql://user@host/database without a"
        " password.",
    )
    templates: _Path = Field(default="templates", description="The folder of the templates.")
    operators: _Path | None = Field(
        default=None, description="Who may do what; `operators.yaml` in this file's folder when left out."
    )
    audiences: dict[_Name, AudienceSection] = Field(default_factory=dict, description="Who can be told.")
    defaults: DefaultsSection = Field(default_factory=DefaultsSection)
    retry: RetrySection = Field(default_factory=RetrySection)
    callbacks: CallbacksSection | None = Field(
        default=None, description="Where providers reach us with receipts; left out where they cannot."
    )
    monitor: MonitorSection | None = Field(
        default=None, description="Where monitors of our own look; left out where nobody does."
    )
    audit: AuditSection = Field(default_factory=AuditSection)
    publish: PublishSection = Field(default_factory=PublishSection)
    on_call: OnCallSection | None = Field(
        default=None, description="Who is told when this system itself is in trouble."
    )
    channels: list[dict[str, Any]] = Field(min_length=1, description="Lanes out, in any order.")
