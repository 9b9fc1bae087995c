"""What ``channels.yaml`` says about a Facebook page."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from alerting.channels.settings import ChannelSettings, SecretField, refused
from alerting.secret import Secret


class FacebookSettings(ChannelSettings):
    """A Facebook page, posted to with a page token that does not expire.

    Such a token is a system user's, or comes from ``/me/accounts`` asked with a long-lived user token;
    it needs pages_manage_posts and pages_read_engagement, and pages_manage_engagement for the comments
    that tie updates together.
    """

    kind: Literal["facebook"] = "facebook"
    page: str = Field(
        pattern=r"^[A-Za-z0-9.]{2,64}$", description="The page's number, or its name in the address."
    )
    access_token: SecretField = Field(description="The page's access token.")
    app_id: str = Field(
        default="",
        pattern=r"^[0-9]*$",
        description="The app's number; with app_secret, the token is examined.",
    )
    app_secret: SecretField = Field(
        default_factory=lambda: Secret(""),
        description="The app's secret; with it every call carries a proof.",
    )
    verify_token: SecretField | None = Field(
        default=None,
        description="The word given to the app's webhook; with app_secret, <public_url>/facebook/webhook is"
        " answered.",
    )
    version: str = Field(
        default="v26.0", pattern=r"^v[0-9]{1,2}\.[0-9]$", description="The version of the Graph API."
    )
    headroom_low: int = Field(
        default=20,
        ge=0,
        le=100,
        description="Percent of the calls Graph allows; when less is left, it is told.",
    )
    in_flight: int = Field(default=4, ge=1, le=16, description="Most calls open at once.")
    lookup_after_s: float = Field(
        default=30.0, ge=0, le=600, description="Seconds until the feed can be trusted to show a post."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.app_id and not self.app_secret.reveal():
            raise refused(
                "app_id is there, app_secret is not", "write app_secret: {env: NAME}, or drop app_id"
            )
        return self
