"""One Facebook page: one post an alert; a later one is also told under the incident's first post.

facebook-sdk carries the protocol. It is of 2018: it never looks at the HTTP status, loses the headers,
puts the token into addresses, and knows no version that still lives. So each call runs watched, what
counts is the answer on the wire, and the version is set on the object.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from alerting.channels.base import CannotTell, Check, Envelope, Found, Surroundings, Verdict, always
from alerting.channels.facebook import codes
from alerting.channels.facebook.receipts import FacebookReceipts
from alerting.channels.web_answer import Answer, Refusal, Silence, at, entries_at, text_at
from alerting.channels.web_feed import MARGIN, PAGE, Posts, WebFeed, feed_capabilities
from alerting.model.message import Shape, Unit
from alerting.model.outcome import Accepted, Outcome
from alerting.secret import Secret

if TYPE_CHECKING:
    import requests

    from alerting.channels.facebook.config import FacebookSettings

#: Characters of a post.
LIMIT: Final = 63_206
#: What a post stands without, in words.
_NO_COMMENT: Final = "posted, but not also as a comment under the incident's first post"
_MAYBE_COMMENT: Final = "posted, but look whether it is also a comment under the incident's first post"
#: An id goes into addresses, of the permalink and of later calls.
_ID: Final = re.compile(r"[A-Za-z0-9_]{1,100}")


def build(settings: FacebookSettings, surroundings: Surroundings) -> FacebookChannel:
    """Return the channel that these settings describe; nothing is opened yet."""
    return FacebookChannel(settings, surroundings)


class FacebookChannel(WebFeed):
    """A Facebook page. Can look up, check and take back."""

    #: What a first message imports: the vendor's SDK.
    needs: Final = ("facebook", "alerting.channels.web_session")

    def __init__(self, settings: FacebookSettings, surroundings: Surroundings) -> None:
        can = feed_capabilities(
            settings,
            feed=f"facebook/{settings.page}",
            shape=Shape(unit=Unit.CHARACTERS, limit=LIMIT, slots=("facebook", "post", "message")),
            lookup_after_s=settings.lookup_after_s,
        )
        receipts = FacebookReceipts(settings, surroundings.clock)
        super().__init__(settings, surroundings, capabilities=can, receipts=receipts)
        self._settings = settings
        self._hide = (settings.access_token, settings.app_secret)

    async def send(self, envelope: Envelope) -> Outcome:
        """Post once; a follow-up is also put under the incident's first post, as far as that works."""
        until = self._until()
        outcome = self._outcome(await self._write(self._settings.page, "feed", envelope, until))
        if not envelope.thread or not isinstance(outcome, Accepted):
            return outcome
        said = await self._write(envelope.thread[0], "comments", envelope, until)
        comment = self._outcome(said)
        if isinstance(comment, Accepted):
            return outcome
        return outcome._replace(note=f"{_NO_COMMENT}: {comment.reason.words} ({comment.detail})")

    async def find(self, envelope: Envelope, since: datetime) -> Verdict:
        """Read the page's feed since the attempt, and look for these words."""
        until = self._until()

        async def page(after: str) -> Posts | CannotTell:
            said = await self._feed(since - MARGIN, after, until)
            if isinstance(said, Silence) or not isinstance(at(said.document, "data"), list):
                return CannotTell(self._refusal(said).detail)
            more = text_at(said.document, "paging", "cursors", "after")
            return Posts(
                entries_at(said.document, "data"), more if at(said.document, "paging", "next") else ""
            )

        def is_ours(post: Mapping[str, object]) -> bool:
            return self._is_ours(post, envelope.content.text)

        found = await self._search(envelope, page, is_ours, _permalink)
        return found._replace(note=_MAYBE_COMMENT) if envelope.thread and isinstance(found, Found) else found

    async def check(self) -> Sequence[Check]:
        """Ask Graph for the page, and about the token where the app's secret is configured."""
        from alerting.channels.facebook import health

        until = self._until()
        said = await self._read(self._settings.page, {"fields": "id,name,link,is_published"}, until)
        if isinstance(said, Silence):
            fix = "check network, DNS, proxies and certificates"
            return (Check(what="reachable", ok=False, detail=said.detail, fix=fix),)
        now = self._clock.now()
        found = (
            *health.page(said, now, self._hide),
            *health.version(said, self._settings.version, now),
            *health.headroom(said, self._settings.headroom_low),
        )
        if not self._settings.app_id:
            return found
        asked = {"input_token": self._settings.access_token.reveal()}
        app = Secret(f"{self._settings.app_id}|{self._settings.app_secret.reveal()}")
        return (
            *found,
            *health.token(await self._read("debug_token", asked, until, token=app), now, self._hide),
        )

    async def retract(self, provider_id: str) -> Outcome:
        """Delete a post; one that is not there any more counts as deleted."""
        until = self._until()
        said = await self._call(
            until,
            lambda graph: graph.request(f"{graph.version}/{provider_id}", self._proof(), method="DELETE"),
        )
        deleted = isinstance(said, Answer) and said.ok and said.document.get("success") is True
        if deleted or (codes.unseen(said) and await self._is_gone(provider_id, until)):
            return Accepted(provider_id)
        return self._refusal(said)

    async def _is_gone(self, provider_id: str, until: float) -> bool:
        """Say whether a post is not there, rather than not for our token, which can read the page then."""
        if not codes.unseen(await self._read(provider_id, {"fields": "id"}, until)):
            return False
        said = await self._read(f"{self._settings.page}/feed", {"fields": "id", "limit": "1"}, until)
        return isinstance(said, Answer) and said.ok and isinstance(at(said.document, "data"), list)

    def _outcome(self, said: Answer | Silence) -> Outcome:
        if isinstance(said, Answer) and said.ok and "error" not in said.document:
            provider_id = text_at(said.document, "id")
            if _ID.fullmatch(provider_id):
                return Accepted(provider_id, _permalink(provider_id))
        return self._refusal(said)

    def _is_ours(self, post: Mapping[str, object], text: str) -> bool:
        # A page's feed holds visitors' posts too.
        author = text_at(post, "from", "id")
        stranger = author and self._settings.page.isdecimal() and author != self._settings.page
        return not stranger and _plain(text_at(post, "message")) == _plain(text)

    async def _write(self, parent: str, edge: str, envelope: Envelope, until: float) -> Answer | Silence:
        fields = {"message": envelope.content.text, **self._proof()}

        def call(graph: Any) -> object:
            # Only where the token goes into the body does the library get to see it.
            graph.access_token = self._settings.access_token.reveal()
            return graph.put_object(parent, edge, **fields)

        return await self._call(until, call, ours=envelope.ours)

    async def _feed(self, since: datetime, after: str, until: float) -> Answer | Silence:
        asked = {
            "fields": "id,message,created_time,from",
            "since": str(int(since.timestamp())),
            "limit": str(PAGE),
        }
        return await self._read(
            f"{self._settings.page}/feed", asked | ({"after": after} if after else {}), until
        )

    async def _read(
        self, path: str, asked: dict[str, str], until: float, *, token: Secret | None = None
    ) -> Answer | Silence:
        # The proof belongs to the page's token; the app's own needs none.
        fields = asked if token else asked | self._proof()
        return await self._call(
            until, lambda graph: graph.request(f"{graph.version}/{path}", fields), token=token
        )

    async def _call(
        self,
        until: float,
        call: Callable[[Any], object],
        *,
        token: Secret | None = None,
        ours: Callable[[], bool] = always,
    ) -> Answer | Silence:
        from alerting.channels.web_session import converse

        return await converse(
            lambda session: call(self._graph(session, token or self._settings.access_token)),
            within_s=until - self._clock.monotonic(),
            base_url=self._base_url,
            ours=ours,
        )

    def _graph(self, session: requests.Session, token: Secret) -> Any:
        import facebook

        def authorise(request: requests.PreparedRequest) -> requests.PreparedRequest:
            if request.method != "POST":
                request.headers["Authorization"] = f"Bearer {token.reveal()}"
            return request

        session.auth = authorise
        graph = facebook.GraphAPI(session=session)
        # The constructor refuses every version of this decade; the attribute is what is used.
        graph.version = self._settings.version
        return graph

    def _proof(self) -> dict[str, str]:
        """Return the parameter that shows we hold the app's secret.

        Source: https://developers.facebook.com/docs/graph-api/guides/secure-requests
        """
        secret = self._settings.app_secret.reveal().encode()
        if not secret:
            return {}
        token = self._settings.access_token.reveal().encode()
        return {"appsecret_proof": hmac.new(secret, token, hashlib.sha256).hexdigest()}

    def _refusal(self, said: Answer | Silence) -> Refusal:
        return codes.refusal(said, now=self._clock.now(), hide=self._hide)


def _permalink(provider_id: str) -> str:
    page, _, post = provider_id.partition("_")
    return f"https://www.facebook.com/{page}/posts/{post}" if post else f"https://www.facebook.com/{page}"


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
