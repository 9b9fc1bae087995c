"""X API v2 on the wire: posts, replies, timelines and the errors that matter."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

from alerting.sandbox.effect import Effect, Kind
from alerting.sandbox.exchange import Call, Reply, Request
from alerting.sandbox.faults import Faults
from alerting.sandbox.records import Post, Provider
from alerting.sandbox.weight import LIMIT, weigh
from alerting.sandbox.world import Account, World
from alerting.sandbox.xproblems import credits_gone, not_found, problem

#: Requests per 15 minutes and user.  docs.x.com/x-api/fundamentals/rate-limits (read 2026-08)
WINDOW_S: Final = 900
LIMITS: Final = {
    "create": 100,
    "reply": 100,
    "delete": 50,
    "list": 900,
    "mentions": 300,
    "users": 900,
    "me": 75,
}

DUPLICATE: Final = "You are not allowed to create a Tweet with duplicate content."
NOT_SUMMONED: Final = (
    "Reply to this conversation is not allowed because you have not been mentioned or otherwise engaged "
    "by the author of the post you are replying to."
)
TOO_LONG: Final = (
    "Your Tweet text is too long. For more information on how Twitter determines text length "
    "see https://github.com/twitter/twitter-text."
)
_OAUTH_FIELD: Final = re.compile(r'(\w+)="([^"]*)"')
_TIMELINE: Final = re.compile(r"/2/users/(\d+)/(tweets|mentions)")
_POST: Final = re.compile(r"/2/tweets/(\d+)")


class X:
    """The X API v2, as one account or many see it."""

    name = Provider.X.value

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults

    def read(self, request: Request) -> Call:
        """Understand a request; the account is the one its token belongs to."""
        account, tokens = _credentials(request.headers.get("authorization", ""))
        operation, to, text, run = self._route(request, account)

        def answer(_: Effect | None) -> Reply:
            early = self._refused(account, tokens, operation)
            return self._limited(early or run(), account, operation)

        return Call(operation, to or account, text, answer)

    def refuse(self, effect: Effect) -> Reply:
        """A problem document with the rate-limit headers."""
        status = {Kind.DEAD_TOKEN: 401, Kind.CREDITS_GONE: 402}.get(effect.kind, effect.status)
        remaining = 0 if status == 429 else LIMITS["create"] - 1  # noqa: PLR2004
        return problem(status).with_headers(*self._window(LIMITS["create"], remaining))

    # -- before anything else

    def _refused(self, account: str, tokens: tuple[str, ...], operation: str) -> Reply | None:
        if not account or self._world.credentials.refuses(self.name, *tokens):
            return problem(401)
        if not self._faults.script.switches.x_credits:
            return credits_gone(account)
        window = int(self._world.now()) // WINDOW_S
        self._world.used[account, operation, window] += 1
        spent = self._world.used[account, operation, window] > LIMITS.get(operation, 900)
        if spent and self._faults.script.switches.x_limits:
            return problem(429)
        return None

    def _limited(self, reply: Reply, account: str, operation: str) -> Reply:
        limit = LIMITS.get(operation, 900)
        used = self._world.used[account, operation, int(self._world.now()) // WINDOW_S]
        return reply.with_headers(*self._window(limit, max(0, limit - used)))

    def _window(self, limit: int, remaining: int) -> tuple[tuple[str, str], ...]:
        reset = (int(self._world.now()) // WINDOW_S + 1) * WINDOW_S
        return (
            ("x-rate-limit-limit", str(limit)),
            ("x-rate-limit-remaining", str(remaining)),
            ("x-rate-limit-reset", str(reset)),
        )

    # -- which operation

    def _route(  # noqa: PLR0911  # a table of routes
        self, request: Request, account: str
    ) -> tuple[str, str, str, Callable[[], Reply]]:
        path, method = request.path, request.method
        if path == "/2/tweets" and method == "POST":
            body = request.json
            text = body.get("text") if isinstance(body.get("text"), str) else ""
            reply = body.get("reply")
            parent = str(reply.get("in_reply_to_tweet_id") or "") if isinstance(reply, dict) else ""
            operation = "reply" if parent else "create"
            return operation, account, str(text), lambda: self._create(account, str(text), parent)
        if (found := _POST.fullmatch(path)) and method == "DELETE":
            return "delete", found[1], "", lambda: self._delete(account, found[1])
        if found and method == "GET":
            return "get", found[1], "", lambda: self._get(found[1])
        if path == "/2/users/me":
            return "me", account, "", lambda: Reply.of({"data": self._user(self._mine(account))})
        if path == "/2/users/by":
            names = request.query.get("usernames", "")
            return "users", names, "", lambda: self._users(names.split(","))
        if timeline := _TIMELINE.fullmatch(path):
            kind = "list" if timeline[2] == "tweets" else "mentions"
            return kind, timeline[1], "", lambda: self._listing(kind, timeline[1], request.query)
        return "unknown", "", "", lambda: problem(404)

    def _mine(self, account: str) -> Account:
        return self._world.declare(Provider.X, account)

    # -- posts

    def _create(self, account: str, text: str, parent: str) -> Reply:
        if not text.strip():
            return problem(400)
        if weigh(text) > LIMIT:
            return problem(400, TOO_LONG)
        if (account, text) in self._world.spoken:
            return problem(403, DUPLICATE)
        if parent and (refused := self._reply_refused(account, parent)):
            return refused
        post = self._world.publish(Provider.X, account, text, parent=parent or None)
        return Reply.of({"data": {"id": post.id, "text": text, "edit_history_tweet_ids": [post.id]}}, 201)

    def _reply_refused(self, account: str, parent: str) -> Reply | None:
        post = self._world.posts.get(parent)
        if post is None or post.deleted_at or post.provider is not Provider.X:
            return problem(400, "You attempted to reply to a Tweet that is deleted or not visible to you.")
        rule = self._faults.script.switches.x_replies
        own = post.account == account and post.author is None
        summoned = post.author is not None and post.account == account
        if rule == "none" or (rule == "own" and not own and not summoned):
            return problem(403, NOT_SUMMONED)
        return None

    def _delete(self, account: str, post_id: str) -> Reply:
        post = self._world.posts.get(post_id)
        if post and (post.account != account or post.author):
            return problem(403)
        if post and not post.deleted_at:
            self._world.withdraw(post)
        return Reply.of({"data": {"deleted": True}})

    def _get(self, post_id: str) -> Reply:
        post = self._world.posts.get(post_id)
        if post is None or post.deleted_at or post.provider is not Provider.X:
            return Reply.of({"errors": [not_found(post_id, "tweet", "id")]})
        return Reply.of({"data": self._shown(post)})

    def _listing(self, kind: str, account: str, query: dict[str, str]) -> Reply:
        mentioned = (self._world.posts[i] for i in reversed(self._world.mentions.get(account, [])))
        posts = self._world.timeline(Provider.X, account) if kind == "list" else mentioned
        most = int(query["max_results"]) if query.get("max_results", "").isdecimal() else 10
        if not 5 <= most <= 100:  # noqa: PLR2004
            return problem(400, f"The `max_results` query parameter value [{most}] is not between 5 and 100")
        found = list(islice(_since(posts, query), most))
        if not found:
            return Reply.of({"meta": {"result_count": 0}})
        meta = {"result_count": len(found), "newest_id": found[0].id, "oldest_id": found[-1].id}
        return Reply.of({"data": [self._shown(post) for post in found], "meta": meta})

    def _shown(self, post: Post) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": post.id,
            "text": post.text,
            "edit_history_tweet_ids": [post.id],
            "created_at": _rfc3339(post.created_at),
            "author_id": post.author or post.account,
            "conversation_id": self._root(post).id,
        }
        if post.parent:
            shown["referenced_tweets"] = [{"type": "replied_to", "id": post.parent}]
        return shown

    def _root(self, post: Post) -> Post:
        while post.parent and post.parent in self._world.posts:
            post = self._world.posts[post.parent]
        return post

    # -- users

    def _users(self, names: list[str]) -> Reply:
        known = {name: self._world.usernames.get(name.lower()) for name in names if name}
        data = [self._user(self._world.accounts[Provider.X, found]) for found in known.values() if found]
        errors = [not_found(name, "user", "usernames") for name, found in known.items() if not found]
        return Reply.of({"data": data, **({"errors": errors} if errors else {})})

    def _user(self, account: Account) -> dict[str, Any]:
        latest = next(iter(self._world.timeline(Provider.X, account.id)), None)
        posts = len(self._world.timelines.get((Provider.X, account.id), []))
        return {
            "id": account.id,
            "username": account.username,
            "name": account.name,
            "created_at": _rfc3339(account.created_at),
            "description": "Alerts of a campus that only exists here.",
            "protected": False,
            "verified": True,
            "verified_type": "government",
            "public_metrics": {
                "followers_count": 12000,
                "following_count": 3,
                "tweet_count": posts,
                "listed_count": 40,
            },
            **({"most_recent_tweet_id": latest.id} if latest else {}),
        }


def _credentials(header: str) -> tuple[str, tuple[str, ...]]:
    """The account id and the tokens of an Authorization header; ("", ()) if it proves nothing."""
    scheme, _, rest = header.partition(" ")
    if scheme == "Bearer" and rest.strip():
        return _account(rest.strip()), (rest.strip(),)
    if scheme == "OAuth":
        fields = dict(_OAUTH_FIELD.findall(rest))
        token, signature = fields.get("oauth_token", ""), fields.get("oauth_signature", "")
        if token and signature and fields.get("oauth_timestamp") and fields.get("oauth_nonce"):
            return _account(token), (token, fields.get("oauth_consumer_key", ""))
    return "", ()


def _account(token: str) -> str:
    """The user id at the front of a real access token, or a stable one made from the token."""
    front = token.partition("-")[0]
    if front.isdecimal():
        return front
    digest = blake2b(token.encode("utf-8", "replace"), digest_size=5).digest()
    return str(10**9 + int.from_bytes(digest) % (9 * 10**9))


def _since(posts: Iterable[Post], query: dict[str, str]) -> Iterable[Post]:
    """Newest first until a post is too old for `since_id` or `start_time`."""
    since = int(query["since_id"]) if query.get("since_id", "").isdecimal() else 0
    until = int(query["until_id"]) if query.get("until_id", "").isdecimal() else 0
    start = _instant(query.get("start_time", ""))
    for post in posts:
        if int(post.id) <= since or (start and post.created_at < start):
            return
        if not until or int(post.id) < until:
            yield post


def _instant(value: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _rfc3339(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"
