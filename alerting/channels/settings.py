"""What every channel's settings share, and the field types the kinds build theirs from.

A kind's own settings inherit ``ChannelSettings`` in ``alerting/channels/<kind>/config.py``. They are
pydantic models so that a mistake in ``channels.yaml`` is found before anything is sent. Every scalar of
the file arrives as text; pydantic makes numbers and booleans of it where a field asks for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from alerting.audience.normalise import Malformed, email
from alerting.secret import Secret

#: How channels and audiences may be called.
NAME_PATTERN: Final = r"^[a-z][a-z0-9-]{1,31}$"
#: ITU-T E.164, section 6.2: a plus sign, then at most 15 digits.
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
#: How numbers are written at home in North America: 7, 10 or 11 digits.
_NORTH_AMERICAN: Final = re.compile(r"(\+?1[ .-]?)?(\(?[2-9][0-9]{2}\)?[ .-]?)?[2-9][0-9]{2}[ .-]?[0-9]{4}")
#: How systemd's credentials may be called here.
CREDENTIAL_PATTERN: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$"
VARIABLE_PATTERN: Final = r"^[A-Z_][A-Z0-9_]*$"
_HOW: Final = "write {env: NAME_OF_A_VARIABLE} or {file: PATH}"


class SecretResolver(Protocol):
    """Turns a reference into the secret itself; given to validation as ``context["secrets"]``."""

    def resolve(self, *, source: Literal["env", "file", "credential"], name: str, field: str) -> Secret:
        """Return the secret.

        Raises:
            PydanticCustomError: made by ``refused``, when there is none.
        """
        ...


def refused(what: str, fix: str = "") -> PydanticCustomError:
    """Return the error a validator raises: what is wrong, and what to write instead.

    Neither text may hold a secret. The loader adds file, line and field.
    """
    # In the template itself pydantic would read {env: NAME} as a slot.
    return PydanticCustomError("refused", "{what}; {fix}", {"what": what, "fix": fix})


def _secret(value: Any, info: ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, str):
        raise refused("a secret is never written into the file", _HOW)
    if not isinstance(value, Mapping) or len(value) != 1:
        raise refused("not a reference to a secret", _HOW)
    [(source, name)] = value.items()
    if source not in ("env", "file", "credential") or not isinstance(name, str) or not name:
        raise refused("not a reference to a secret", _HOW)
    # A name in any other letters may be the secret itself, pasted in the wrong place: never repeated.
    if source == "env" and not re.fullmatch(VARIABLE_PATTERN, name):
        raise refused("env takes the name of a variable, in capitals", "write it like {env: X_TOKEN}")
    if source == "credential":
        plain_credential(name)
    resolver: SecretResolver | None = (info.context or {}).get("secrets")
    if resolver is None:
        raise refused("references to secrets are read from a configuration file only", "give a Secret")
    return resolver.resolve(source=source, name=name, field=info.field_name or "secret")


def plain_credential(name: str) -> None:
    """Refuse what cannot be the name of a credential: one that leads to another folder.

    Source: systemd.exec(5), LoadCredential=: the id must be fit for a file name.
    """
    if not re.fullmatch(CREDENTIAL_PATTERN, name):
        fix = "write it like {credential: x-token}"
        raise refused("credential takes the name that LoadCredential= gives it", fix)


def _e164(text: str) -> str:
    if _E164.fullmatch(text):
        return text
    fix = 'write it with plus and country code, like "+14135550100"'
    if _NORTH_AMERICAN.fullmatch(text):
        digits = re.sub(r"\D", "", text).removeprefix("1")
        fix = f'write "+1{digits}"'
    raise refused(f'"{text[:40]}" is not E.164', fix)


def _email(text: str) -> str:
    try:
        return email(text).value
    except Malformed as wrong:
        raise refused(f'"{text[:60]}" is not a mail address ({wrong.why.words})', wrong.fix) from None


def _reference(source: str, **rule: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {source: {"type": "string", **rule}},
        "required": [source],
        "additionalProperties": False,
    }


#: How the file may refer to what it must not hold, as JSON Schemas.
REFERENCES: Final = (
    _reference("env", pattern=VARIABLE_PATTERN),
    _reference("file", minLength=1),
    _reference("credential", pattern=CREDENTIAL_PATTERN),
)
#: A credential. In the file ``{env: NAME}``, ``{file: PATH}`` or ``{credential: NAME}``; never the text.
SecretField = Annotated[
    Secret,
    PlainValidator(_secret),
    WithJsonSchema(
        {
            "oneOf": list(REFERENCES),
            "description": "A reference to a secret: {env: NAME_OF_A_VARIABLE}, {file: PATH}, or, handed over"
            " by systemd, {credential: NAME}.",
        }
    ),
]
#: A telephone number in E.164, for example ``+14135550100``.
E164 = Annotated[
    str, AfterValidator(_e164), WithJsonSchema({"type": "string", "pattern": f"^{_E164.pattern}$"})
]
#: A mailbox, its domain in lower case.
Email = Annotated[str, AfterValidator(_email), WithJsonSchema({"type": "string", "format": "email"})]


class ChannelSettings(BaseModel):
    """One entry of ``channels:``; what all kinds have in common.

    A kind narrows ``kind`` to a Literal and gives ``rate_per_s``, ``in_flight`` and ``deadline_s`` the
    defaults its provider asks for. Keys a kind does not declare are refused.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    name: str = Field(pattern=NAME_PATTERN, description="What officers call the channel, like sms-main.")
    kind: str = Field(description="Which adapter sends.")
    enabled: bool = Field(default=True, description="false: the channel is left alone.")
    mode: Literal["live", "drill", "both"] = Field(
        default="both", description="What may be sent here: real alerts, exercises, or both."
    )
    rate_per_s: float = Field(
        default=1.0, gt=0, description="Messages (SMS: segments) a second the account may send."
    )
    in_flight: int = Field(default=8, ge=1, le=2000, description="Most calls open at once.")
    deadline_s: float = Field(
        default=10.0, ge=1, le=120, description="Seconds after which a call is cut and counts as unanswered."
    )
    fallback: str = Field(
        default="", description="The channel that takes over the people this one cannot reach."
    )
    base_url: str = Field(
        default="", description="Another host instead of the provider's own, for a simulator; empty for none."
    )
