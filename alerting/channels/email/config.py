"""What ``channels.yaml`` says about a mail relay."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from alerting.channels.settings import ChannelSettings, Email, SecretField, refused

#: RFC 5321 section 4.1.2: a host name, or an address literal in brackets.
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f.:]{2,60}\]")
_SHOWN: Final = 40
#: ``local+key@domain``: what RFC 5321 section 4.5.3.1.1 leaves beside a plus sign and 32 hex digits.
_LONGEST_VERP_LOCAL: Final = 31


def _host(text: str) -> str:
    if text and not _HOST.fullmatch(text):
        raise refused(f'"{text[:_SHOWN]}" is not a host name', "write it like smtp.example.edu")
    return text


def _phrase(text: str) -> str:
    if not text.isprintable():
        raise refused("holds a line break or a control character", "write it on one line")
    return text


_Host = Annotated[str, AfterValidator(_host)]


class BounceBox(BaseModel):
    """The mailbox that bounces come to, read over IMAP with TLS."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: _Host = Field(min_length=1, description="The mail server, like imap.example.edu.")
    port: int = Field(default=993, ge=1, le=65535, description="The port of IMAP over TLS.")
    username: str = Field(min_length=1, max_length=320, description="The mailbox's login.")
    password: SecretField = Field(description="The login's password.")
    folder: str = Field(
        default="INBOX", pattern=r"^[A-Za-z0-9 _./-]{1,100}$", description="The folder that is read."
    )
    tls: Literal["implicit", "none"] = Field(
        default="implicit", description="none only for a server on this machine."
    )

    @model_validator(mode="after")
    def _stays_private(self) -> Self:
        if self.tls == "none" and not _is_loopback(self.host):
            raise refused("the login would cross the network in clear", "write tls: implicit")
        return self


class SmtpConfig(ChannelSettings):
    """One mail relay, and how mail from it looks.

    ``in_flight`` is the number of connections. ``rate_per_s`` counts messages to people, however many
    of them share a transaction.
    """

    kind: Literal["email.smtp"] = "email.smtp"
    rate_per_s: float = Field(default=100.0, gt=0, description="Mails a second the relay takes.")
    in_flight: int = Field(default=10, ge=1, le=200, description="Most connections open at once.")
    deadline_s: float = Field(
        default=30.0, ge=1, le=120, description="Seconds after which a mail without an answer is cut."
    )

    host: _Host = Field(min_length=1, description="The relay, like smtp.example.edu.")
    port: int = Field(default=0, ge=0, le=65535, description="0: 25, 587 with starttls, 465 with implicit.")
    tls: Literal["none", "starttls", "implicit"] = Field(
        default="starttls", description="How the connection is encrypted; never left out when asked for."
    )
    username: str = Field(default="", max_length=320, description="For relays that want a login.")
    password: SecretField | None = Field(default=None, description="The login's password.")
    oauth_token: SecretField | None = Field(default=None, description="XOAUTH2 token instead of a password.")

    mailbox: Email = Field(alias="from", description="Whom the mail is from, like alerts@example.edu.")
    from_name: Annotated[str, AfterValidator(_phrase)] = Field(
        default="", max_length=100, description="The name shown beside it, like Campus Alerts."
    )
    envelope_sender: Email | Literal[""] = Field(
        default="", validate_default=True, description="Where bounces go; empty: to the from mailbox."
    )
    verp: bool = Field(default=False, description="Bounces name their delivery: local+key@domain.")
    reply_to: Email | Literal[""] = Field(default="", description="Where answers go; empty: to from.")
    list_id: _Host = Field(default="", description="List-Id for people's filters, like alerts.example.edu.")
    list_address: Email | Literal[""] = Field(
        default="", description="What To: shows in batches; empty: undisclosed-recipients."
    )
    batch: int = Field(default=1, ge=1, le=50, description="People who share one transaction.")
    helo_name: _Host = Field(default="", description="Our name to the relay; empty: the from domain.")
    message_id_domain: _Host = Field(default="", description="Empty: the from domain.")
    bounces: BounceBox | None = Field(default=None, description="Where bounces arrive; read by alert serve.")

    @property
    def relay_port(self) -> int:
        """The port meant, RFC 8314 section 3 and RFC 5321 section 4.5.4.2."""
        return self.port or {"none": 25, "starttls": 587, "implicit": 465}[self.tls]

    @property
    def sender(self) -> str:
        """Where bounces go, before VERP."""
        return self.envelope_sender or self.mailbox

    @property
    def domain(self) -> str:
        """The right-hand side of our Message-IDs."""
        return self.message_id_domain or self.mailbox.rpartition("@")[2]

    @field_validator("base_url")
    @classmethod
    def _has_no_base_url(cls, base_url: str) -> str:
        if base_url:
            raise refused("a relay has no base_url", "write host and port")
        return base_url

    @field_validator("verp")
    @classmethod
    def _verp_fits(cls, verp: bool, info: ValidationInfo) -> bool:  # noqa: FBT001
        sender: Any = info.data.get("envelope_sender") or info.data.get("mailbox") or ""
        if verp and len(sender.rpartition("@")[0]) > _LONGEST_VERP_LOCAL:
            fix = f"use one with at most {_LONGEST_VERP_LOCAL} characters before the @"
            raise refused("the envelope sender leaves no room for a key", fix)
        return verp

    @field_validator("batch")
    @classmethod
    def _batch_has_one_sender(cls, batch: int, info: ValidationInfo) -> int:
        if batch > 1 and info.data.get("verp"):
            raise refused("people who share a transaction share its sender", "write verp: false, or batch: 1")
        return batch

    @model_validator(mode="after")
    def _login_is_whole_and_private(self) -> Self:
        keys = [key for key in (self.password, self.oauth_token) if key is not None]
        if len(keys) > 1:
            raise refused("both a password and an oauth_token", "keep one of them")
        if bool(keys) != bool(self.username):
            raise refused("half a login", "write username and password (or oauth_token), or neither")
        if keys and self.tls == "none" and not _is_loopback(self.host):
            raise refused("the login would cross the network in clear", "write tls: starttls, or implicit")
        return self


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
