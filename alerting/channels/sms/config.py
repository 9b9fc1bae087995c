"""What ``channels.yaml`` says about a Twilio account that sends text messages."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from alerting.channels.settings import ChannelSettings, SecretField, refused

#: E.164, or a short code: 3 to 6 digits, so that a local number of 7 is not taken for one.
_SENDER: Final = re.compile(r"\+[1-9][0-9]{6,14}|[1-9][0-9]{2,5}")
_PLACE: Final = r"^([a-z0-9][a-z0-9-]{0,30})?$"


def _sender(text: str) -> str:
    if _SENDER.fullmatch(text):
        return text
    raise refused(
        f'"{text[:40]}" is neither a number nor a short code', 'write it like "+14135550100" or "24639"'
    )


Sender = Annotated[
    str, AfterValidator(_sender), WithJsonSchema({"type": "string", "pattern": f"^({_SENDER.pattern})$"})
]


class TwilioConfig(ChannelSettings):
    """A channel of kind ``sms.twilio``.

    The account signs in with ``auth_token``, or with ``api_key`` and ``api_secret``; Twilio signs its
    receipts with the token in both cases, so reading those needs ``auth_token`` too, or ``webhook_key``
    where the account signs them with a SharedKey.

    ``rate_per_s`` counts segments. It is the sender's, not the account's: 1 for a plain long code, 3 for
    toll-free, 10 outside North America, 100 for a short code, 3.75 to 225 for registered 10DLC.
    """

    kind: Literal["sms.twilio"] = Field(default="sms.twilio", description="Which adapter sends: sms.twilio.")
    rate_per_s: float = Field(
        default=10.0, gt=0, description="Segments a second the sender may send; 100 for a short code."
    )
    in_flight: int = Field(
        default=50, ge=1, le=1000, description="Most calls open at once; Twilio limits them per account."
    )
    account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$", description="The account, AC and 32 digits.")
    auth_token: SecretField | None = Field(default=None, description="The account's token.")
    api_key: str = Field(
        default="", pattern=r"^(SK[0-9a-fA-F]{32})?$", description="An API key instead of the token, SK…"
    )
    api_secret: SecretField | None = Field(default=None, description="The secret of api_key.")
    sender: Sender | None = Field(default=None, alias="from", description="The number or short code.")
    messaging_service: str = Field(
        default="", pattern=r"^(MG[0-9a-fA-F]{32})?$", description="A Messaging Service instead of from, MG…"
    )
    segments: int = Field(default=2, ge=1, le=10, description="Most segments a text may take.")
    validity_cap_s: int = Field(
        default=36_000,
        ge=6,
        le=36_000,
        description="Seconds after which Twilio gives a text up, even if the alert lives longer.",
    )
    status_callback: bool = Field(
        default=True, description="Ask for receipts, where this program can be reached from outside."
    )
    webhook_key: SecretField | None = Field(
        default=None,
        description="The secret of a SharedKey; with it every callback must be signed with HMAC-SHA256.",
    )
    risk_check: Literal["enable", "disable"] = Field(
        default="disable", description="Twilio's check for pumped traffic; a burst of alerts looks like it."
    )
    region: str = Field(default="", pattern=_PLACE, description="A Twilio region like ie1; empty for us1.")
    edge: str = Field(default="", pattern=_PLACE, description="A Twilio edge like dublin; empty for none.")
    lookup_after_s: float = Field(
        default=30.0, ge=0, le=600, description="Seconds until Twilio's list shows a message for certain."
    )
    balance_low: float = Field(
        default=20.0,
        ge=0,
        description="Less money than this, in the account's currency, is told; with price_per_segment, less"
        " than one text to everybody too.",
    )
    price_per_segment: float = Field(
        default=0.0, ge=0, description="What one segment costs, for estimates; 0 when unknown."
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if bool(self.api_key) is not (self.api_secret is not None):
            raise refused("api_key and api_secret go together", "give both, or auth_token alone")
        if self.auth_token is None and not self.api_key:
            raise refused("no way to sign in", "give auth_token, or api_key and api_secret")
        return self

    @model_validator(mode="after")
    def _one_sender(self) -> Self:
        if bool(self.sender) is bool(self.messaging_service):
            what = "both from and messaging_service" if self.sender else "no sender"
            raise refused(what, "give exactly one of from and messaging_service")
        return self
