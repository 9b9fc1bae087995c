"""The sections of ``operators.yaml``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from alerting.authority.people import Ground, Role
from alerting.channels.settings import NAME_PATTERN, refused
from alerting.config.sections import _Line, _Section, _version


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _roles(roles: list[Role]) -> list[Role]:
    if not roles:
        raise refused("no role", f"write one of {', '.join(Role)}")
    return roles


_Name = Annotated[str, Field(pattern=NAME_PATTERN)]
_Account = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@\\$-]{1,64}$")]


class PersonSection(_Section):
    """One person, or one script."""

    name: _Line = Field(default="", max_length=80, description="Their full name, for reports.")
    roles: Annotated[list[Role], BeforeValidator(_listed), AfterValidator(_roles)] = Field(
        description="One or more of sender, approver, template-editor, viewer, admin."
    )
    os_user: Annotated[list[_Account], BeforeValidator(_listed)] = Field(
        default_factory=list,
        description="Accounts of this machine, by name or number; left out for who only has tokens.",
    )


class RulesSection(_Section):
    """What asks for a second person."""

    second_person_for: list[Ground] = Field(
        default_factory=lambda: list(Ground),
        description="Any of class, unreviewed, free-text, large-list, public-drill; [] for none.",
    )
    immediate_alone: bool = Field(
        default=True, description="false: immediate alerts wait for a second person too."
    )
    large_list: int = Field(default=100_000, ge=1, description="People; a larger list needs a second person.")
    approval_minutes: int = Field(default=10, ge=1, le=120, description="How long a request stays open.")
    broadcasts: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="Real alerts in 10 minutes, after which one more asks again.",
    )


class OperatorsFile(_Section):
    """The whole file."""

    version: Annotated[Literal[1], BeforeValidator(_version)] = Field(description="The form of this file: 1.")
    people: dict[_Name, PersonSection] = Field(min_length=1, description="Who may do what, by a short name.")
    rules: RulesSection = Field(default_factory=RulesSection)
