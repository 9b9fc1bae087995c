"""What ``channels.yaml`` says about an X account."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from alerting.channels.settings import ChannelSettings, SecretField


class XSettings(ChannelSettings):
    """An account on X, posted to with OAuth 1.0a keys that do not expire.

    The four secrets come from the app's "Keys and tokens" page; the access token must have been made
    after the app was given "Read and write".
    """

    kind: Literal["x"] = "x"
    account: str = Field(
        pattern=r"^[A-Za-z0-9_]{1,15}$", description="The account's handle without @, like campus_alerts."
    )
    consumer_key: SecretField = Field(description="The app's API key.")
    consumer_secret: SecretField = Field(description="The app's API key secret.")
    access_token: SecretField = Field(description="The account's access token.")
    access_token_secret: SecretField = Field(description="The account's access token secret.")
    webhooks: bool = Field(
        default=False, description="Take in what people answer: X calls <public_url>/x/webhook."
    )
    headroom_low: int = Field(
        default=20,
        ge=0,
        le=100,
        description="Percent of the calls X allows of a kind; when less is left, it is told.",
    )
    in_flight: int = Field(default=4, ge=1, le=16, description="Most calls open at once.")
    lookup_after_s: float = Field(
        default=10.0, ge=0, le=600, description="Seconds until the timeline can be trusted to show a post."
    )
    cost_per_post: float = Field(
        default=0.015,
        ge=0,
        description="What a post costs; one with a link costs more (0.20 in August 2026).",
    )
