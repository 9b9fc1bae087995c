"""The sections of the duty roster's file."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from alerting.channels.settings import E164, Email
from alerting.config.drill_sections import _exception, _Line, _local
from alerting.config.sections import _version

_Local = Annotated[datetime, BeforeValidator(_local)]
_Key = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,31}$")]


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_Keys = Annotated[list[_Key], BeforeValidator(_several), Field(min_length=1, max_length=50)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class PersonSection(_Section):
    """Somebody who can be called."""

    name: _Line = Field(default="", max_length=80, description="What people call them.")
    phone: E164 | None = Field(default=None, description="Their number, like +14135550100.")
    email: Email | None = Field(default=None, description="Their mailbox.")


class ShiftSection(_Section):
    """When somebody is on duty."""

    who: _Keys = Field(description="Keys from people.")
    starts: _Local = Field(description="When the first one begins, on the campus's clocks.")
    ends: _Local = Field(description="When the first one ends.")
    rule: str = Field(
        default="", max_length=400, description="How it repeats: the value of an RRULE (RFC 5545)."
    )
    left_out: list[Annotated[datetime | date | str, BeforeValidator(_exception)]] = Field(
        default_factory=list, alias="except", description="Times and days without this shift."
    )


class RosterFile(_Section):
    """The whole file."""

    version: Annotated[int, BeforeValidator(_version)] = Field(ge=1, le=1, description="1.")
    people: dict[_Key, PersonSection] = Field(min_length=1, max_length=500, description="Who can be called.")
    shifts: list[ShiftSection] = Field(
        default_factory=list, max_length=2_000, description="Who is on duty when; or use a calendar."
    )
    then: list[_Keys] = Field(
        default_factory=list, max_length=10, description="Who is told next when nobody answers, in order."
    )
    approvers: list[_Key] = Field(default_factory=list, description="Who is asked to agree to an alert.")
