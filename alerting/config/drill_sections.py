"""The sections of ``drills.yaml``."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from alerting.audience.normalise import Malformed, email
from alerting.channels.settings import NAME_PATTERN, refused
from alerting.config.sections import _one_line, _time_zone, _version
from alerting.model.audience import Address, AddressKind

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)")
_RANGE: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:\s*(?:\.\.|to)\s*(\d{4}-\d\d-\d\d))?")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise refused(f'"{text[:20]}" is no date', "write it like 2026-11-26") from None


def _local(text: Any) -> datetime:
    match = _TIME.fullmatch(str(text).strip())
    if not match:
        raise refused(f'"{str(text)[:30]}" is not a local date and time', "write it like 2026-09-02T12:00")
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2]}")
    except ValueError:
        raise refused(f'"{match[0]}" is no date and time', "write it like 2026-09-02T12:00") from None


def _exception(text: Any) -> datetime | date | str:
    """Read one thing left out: a planned time, a whole day, or the name of a break."""
    word = str(text).strip()
    if _TIME.fullmatch(word):
        return _local(word)
    return _day(word) if _DAY.fullmatch(word) else word


def _canary(text: Any) -> Address:
    word = str(text).strip()
    try:
        if "@" in word:
            return Address(AddressKind.EMAIL, email(word.removeprefix("email:")).value)
    except Malformed as wrong:
        raise refused(f'"{word[:60]}" is not a mail address ({wrong.why.words})', wrong.fix) from None
    number = word.removeprefix("phone:")
    if not _E164.fullmatch(number):
        raise refused(f'"{word[:60]}" is no address', 'write "+14135550100" or officer@example.edu')
    return Address(AddressKind.PHONE, number)


_Line = Annotated[str, AfterValidator(_one_line)]
_Name = Annotated[str, Field(pattern=NAME_PATTERN)]
_Text = Annotated[str, Field(max_length=4_000)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class BreakSection(_Section):
    """Days without drills, read from ``2026-12-19 .. 2027-01-03``."""

    first: date
    last: date

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> dict[str, date]:
        match = _RANGE.fullmatch(str(value).strip()) if not isinstance(value, dict | list) else None
        if not match:
            raise _no_range()
        first = _day(match[1])
        last = _day(match[2] or match[1])
        if last < first:
            raise refused(f"ends ({last}) before it begins ({first})", "write the earlier day first")
        return {"first": first, "last": last}


def _no_range() -> PydanticCustomError:
    return refused("neither a day nor a range of days", "write 2026-11-26, or 2026-12-19 .. 2027-01-03")


class ScheduleSection(_Section):
    """When a drill is planned."""

    starts: Annotated[datetime, BeforeValidator(_local)] = Field(
        description="The first time, on the campus's clocks, like 2026-09-02T12:00."
    )
    rule: str = Field(
        default="", max_length=400, description="How it repeats: the value of an RRULE (RFC 5545)."
    )
    left_out: list[Annotated[datetime | date | str, BeforeValidator(_exception)]] = Field(
        default_factory=list, alias="except", description="Times, days and named breaks without this drill."
    )
    time_zone: Annotated[str, AfterValidator(_time_zone)] | None = Field(
        default=None, description="Another clock than the campus's."
    )
    jitter_minutes: int = Field(
        default=0,
        ge=0,
        le=12 * 60,
        description="Goes off up to this much later, so that nobody waits for it.",
    )
    window_minutes: int = Field(
        default=15, ge=1, le=12 * 60, description="How late it may still start; later it counts as missed."
    )


class ExpectSection(_Section):
    """What a drill must reach to pass."""

    first_post_s: float | None = Field(default=None, gt=0, description="Seconds to the first post.")
    accepted_95_s: float | None = Field(
        default=None, gt=0, description="Seconds until 95 % of the messages are accepted."
    )
    canaries_s: float | None = Field(
        default=None, gt=0, description="Seconds until every canary address is reached."
    )
    failures_percent: float | None = Field(
        default=None, ge=0, le=100, description="Most messages that may fail, in percent."
    )


class DrillSection(_Section):
    """One drill."""

    title: _Line = Field(default="", max_length=80, description="What people call it.")
    description: _Text = Field(default="", description="What is exercised; goes into the record.")
    template: _Line = Field(
        min_length=1, max_length=80, description="The template; it is wrapped as a drill."
    )
    values: dict[str, str] = Field(default_factory=dict, description="Values for the template.")
    audience: str = Field(default="", max_length=32, description="An audience from allowed_audiences.")
    channels: list[_Name] = Field(
        default_factory=list, description="Channels; the campus's own when left out."
    )
    schedule: ScheduleSection | None = Field(default=None, description="When; only by hand when left out.")
    announced: bool = Field(default=True, description="Whether people were told beforehand.")
    rehearsal: bool = Field(
        default=False, description="true: real audience and texts, sandbox providers; nothing leaves."
    )
    expect: ExpectSection = Field(default_factory=ExpectSection)
    canaries: list[Annotated[Address, BeforeValidator(_canary)]] = Field(
        default_factory=list, max_length=50, description="Phones and mailboxes of yours that must be reached."
    )
    owner: _Line = Field(default="", max_length=80, description="Who answers for it.")
    objectives: list[_Text] = Field(default_factory=list, description="What it is to show.")
    publicised: _Text = Field(
        default="", description="Where and when the emergency procedures were published with it."
    )


class DrillsFile(_Section):
    """The whole file."""

    version: Annotated[Literal[1], BeforeValidator(_version)] = Field(description="The form of this file: 1.")
    allowed_audiences: list[_Name] = Field(
        default_factory=list, description="The only audiences a drill may reach."
    )
    breaks: dict[_Name, BreakSection] = Field(
        default_factory=dict, description="Days without drills, by name: holidays, finals week."
    )
    drills: dict[_Name, DrillSection] = Field(default_factory=dict, description="The drills, by name.")
