"""One account on X: one post an alert, later ones as replies to the one before.

tweepy carries the protocol. It has no timeout, hides the headers of a success, and its own waiting
loops without a pause when a header is missing; so each call runs watched, and what counts is the
answer on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from alerting.channels.base import CannotTell, Check, Envelope, Surroundings, Verdict, always
from alerting.channels.web_answer import Answer, Refusal, Silence, at, entries_at, text_at
from alerting.channels.web_feed import MARGIN, PAGE, Posts, WebFeed, feed_capabilities
from alerting.channels.x import codes
from alerting.channels.x.receipts import XReceipts
from alerting.model.message import Shape, Unit
from alerting.model.outcome import Accepted, Outcome

if TYPE_CHECKING:
    import requests

    from alerting.channels.x.config import XSettings

#: twitter-text configuration v3: maxWeightedTweetLength.
LIMIT: Final = 280


def build(settings: XSettings, surroundings: Surroundings) -> XChannel:
    """Return the channel that these settings describe; nothing is opened yet."""
    return XChannel(settings, surroundings)


class XChannel(WebFeed):
    """An account on X. Can look up, check and take back."""

    #: What a first message imports: the vendor's SDK.
    needs: Final = ("tweepy", "alerting.channels.web_session")

    def __init__(self, settings: XSettings, surroundings: Surroundings) -> None:
        can = feed_capabilities(
            settings,
            feed=f"x/{settings.account}",
            shape=Shape(unit=Unit.WEIGHTED, limit=LIMIT, slots=("post", "message")),
            lookup_after_s=settings.lookup_after_s,
            cost=settings.cost_per_post,
        )
        receipts = XReceipts(settings, surroundings.clock)
        super().__init__(settings, surroundings, capabilities=can, receipts=receipts)
        self._settings = settings
        self._stand_in = bool(surroundings.base_url)
        self._hide = (
            settings.consumer_key,
            settings.consumer_secret,
            settings.access_token,
            settings.access_token_secret,
        )
        self._own_id = ""

    async def send(self, envelope: Envelope) -> Outcome:
        """Post once. A reply that X refuses for being a reply is posted on its own instead."""
        until = self._until()
        if envelope.thread:
            said = await self._post(envelope, until, parent=envelope.thread[-1])
            if not codes.reply_refused(said):
                return self._outcome(said)
        outcome = self._outcome(await self._post(envelope, until))
        if envelope.thread and isinstance(outcome, Accepted):
            return outcome._replace(note="posted on its own: X refused it as a reply to the one before")
        return outcome

    async def find(self, envelope: Envelope, since: datetime) -> Verdict:
        """Read the account's own timeline since the attempt, and look for these words."""
        from alerting.channels.x import timeline

        until = self._until()
        owner = await self._owner(until)
        if not owner:
            return CannotTell("the account's own id could not be read")

        async def page(after: str) -> Posts | CannotTell:
            said = await self._page(owner, since - MARGIN, after, until)
            if isinstance(said, Silence) or not isinstance(at(said.document, "meta"), dict):
                return CannotTell(self._refusal(said).detail)
            return Posts(entries_at(said.document, "data"), text_at(said.document, "meta", "next_token"))

        def is_ours(post: Mapping[str, object]) -> bool:
            return timeline.says(post, envelope.content.text)

        return await self._search(envelope, page, is_ours, self._permalink)

    async def check(self) -> Sequence[Check]:
        """Ask X who we are: keys, account, credit, permission and clock in one call."""
        from alerting.channels.x import health

        said = await self._call(self._until(), lambda client: client.get_me(user_auth=True))
        if isinstance(said, Silence):
            fix = "check network, DNS, proxies and certificates"
            return (Check(what="reachable", ok=False, detail=said.detail, fix=fix),)
        # A sandbox has a name of its own for every account.
        now, ours = self._clock.now(), "" if self._stand_in else self._settings.account
        return (
            *health.identity(said, ours, self._refusal(said)),
            *health.permission(said),
            *health.headroom(said, self._settings.headroom_low),
            *health.time(said, now),
        )

    async def retract(self, provider_id: str) -> Outcome:
        """Delete a post; one that is not there any more counts as deleted."""
        said = await self._call(self._until(), lambda client: client.delete_tweet(provider_id))
        if isinstance(said, Answer):
            deleted = said.ok and at(said.document, "data", "deleted") is True
            if deleted or (said.status == 404 and said.document):  # noqa: PLR2004
                return Accepted(provider_id)
        return self._refusal(said)

    def _outcome(self, said: Answer | Silence) -> Outcome:
        if isinstance(said, Answer) and said.ok:
            provider_id = text_at(said.document, "data", "id")
            if provider_id.isascii() and provider_id.isdecimal():
                return Accepted(provider_id, self._permalink(provider_id))
        return self._refusal(said)

    async def _post(self, envelope: Envelope, until: float, *, parent: str | None = None) -> Answer | Silence:
        text = envelope.content.text
        return await self._call(
            until, lambda client: client.create_tweet(text=text, in_reply_to_tweet_id=parent), envelope.ours
        )

    async def _page(self, owner: str, since: datetime, page: str, until: float) -> Answer | Silence:
        return await self._call(
            until,
            lambda client: client.get_users_tweets(
                owner,
                start_time=since,
                max_results=PAGE,
                pagination_token=page or None,
                tweet_fields=["created_at", "entities"],
                user_auth=True,
            ),
        )

    async def _owner(self, until: float) -> str:
        if not self._own_id:
            said = await self._call(until, lambda client: client.get_me(user_auth=True))
            if isinstance(said, Answer) and said.ok:
                self._own_id = text_at(said.document, "data", "id")
        return self._own_id

    async def _call(
        self, until: float, call: Callable[[Any], object], ours: Callable[[], bool] = always
    ) -> Answer | Silence:
        from alerting.channels.web_session import converse

        return await converse(
            lambda session: call(self._client(session)),
            within_s=until - self._clock.monotonic(),
            base_url=self._base_url,
            talkative=("tweepy",),
            ours=ours,
        )

    def _client(self, session: requests.Session) -> Any:
        import requests
        import tweepy

        client = tweepy.Client(
            consumer_key=self._settings.consumer_key.reveal(),
            consumer_secret=self._settings.consumer_secret.reveal(),
            access_token=self._settings.access_token.reveal(),
            access_token_secret=self._settings.access_token_secret.reveal(),
            return_type=requests.Response,
            wait_on_rate_limit=False,
        )
        client.session.close()
        client.session = session
        return client

    def _refusal(self, said: Answer | Silence) -> Refusal:
        return codes.refusal(said, now=self._clock.now(), hide=self._hide)

    def _permalink(self, provider_id: str) -> str:
        return f"https://x.com/{self._settings.account}/status/{provider_id}"
