"""Facebook's Graph API on the wire: a page's feed, its comments, and the error object."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import Any, Final
from urllib.parse import urlencode

from alerting.sandbox.effect import Effect, Kind
from alerting.sandbox.exchange import Call, Reply, Request
from alerting.sandbox.faults import Faults
from alerting.sandbox.records import Post, Provider
from alerting.sandbox.world import World

#: The oldest version still alive on 2026-11-21; older ones are answered by it.
OLDEST: Final = (21, 0)
PATH: Final = re.compile(r"/v(\d{1,2})\.(\d)/([^/]+)(?:/([a-z_]+))?/?")
MISSING: Final = (
    "Unsupported get request. Object with ID '{id}' does not exist, cannot be loaded due to missing "
    "permissions, or does not support this operation."
)

#: Code -> HTTP status, type, message, whether it passes by itself.
#: developers.facebook.com/docs/graph-api/guides/error-handling (read 2026-11)
ERRORS: Final = {
    1: (500, "OAuthException", "An unknown error occurred", True),
    2: (503, "OAuthException", "Service temporarily unavailable", True),
    4: (403, "OAuthException", "(#4) Application request limit reached", True),
    10: (403, "OAuthException", "(#10) Application does not have permission for this action", False),
    17: (400, "OAuthException", "(#17) User request limit reached", True),
    32: (403, "OAuthException", "(#32) Page request limit reached", True),
    100: (400, "GraphMethodException", "(#100) Invalid parameter", False),
    102: (401, "OAuthException", "Session key invalid or no longer valid", False),
    190: (400, "OAuthException", "Error validating access token: the session has been invalidated.", False),
    200: (403, "OAuthException", "(#200) Permissions error", False),
    341: (400, "OAuthException", "(#341) Feed action request limit reached", True),
    368: (400, "OAuthException", "(#368) The action attempted has been deemed abusive.", False),
    506: (400, "OAuthException", "(#506) Duplicate status message", False),
    613: (400, "OAuthException", "(#613) Calls to this api have exceeded the rate limit.", True),
    80001: (400, "OAuthException", "(#80001) There have been too many calls to this Page account.", True),
    1609005: (400, "OAuthException", "(#1609005) The link could not be scraped.", False),
}
SUBCODES: Final = {190: 460, 506: 1455006, 100: 33}


class Graph:
    """The Graph API as a page's token sees it."""

    name = Provider.GRAPH.value

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults

    def read(self, request: Request) -> Call:
        """Understand a request; a token may come in the form, the query or the Authorization header."""
        found = PATH.fullmatch(request.path)
        version = max((int(found[1]), int(found[2])), OLDEST) if found else OLDEST
        target, edge = (found[3], found[4] or "") if found else ("", "")
        fields = {**request.query, **(request.form if request.method == "POST" else {})}
        operation, run = self._route(request.method, target, edge, fields)
        token = _token(request, fields)

        def answer(_: Effect | None) -> Reply:
            reply = self._refused(operation, token) or run()
            return reply.with_headers(
                ("facebook-api-version", f"v{version[0]}.{version[1]}"), ("x-app-usage", self._usage())
            )

        return Call(operation, target, fields.get("message", ""), answer)

    def refuse(self, effect: Effect) -> Reply:
        """An error object: by `code` if one is given, else a code fit for the status."""
        if effect.kind is Kind.DEAD_TOKEN:
            return error(190)
        code = effect.code or {429: 4, 401: 190, 403: 200, 400: 100, 503: 2}.get(effect.status, 1)
        reply = error(code)._replace(status=effect.status)
        return reply.with_headers(("x-app-usage", self._usage()))

    def _usage(self) -> str:
        used = self._world.counts[f"requests.{self.name}"] // 48
        share = min(100, max(used, int(self._faults.script.switches.graph_usage)))
        return json.dumps({"call_count": share, "total_time": share, "total_cputime": share})

    def _refused(self, operation: str, token: str) -> Reply | None:
        if not token:
            return error(104, "An access token is required to request this resource.", status=400)
        if operation != "debug_token" and self._world.credentials.refuses(self.name, token):
            return error(190)
        return None

    def _route(  # noqa: PLR0911  # a table of routes
        self, method: str, target: str, edge: str, fields: dict[str, str]
    ) -> tuple[str, Callable[[], Reply]]:
        post = self._world.posts.get(target)
        if post and (post.deleted_at or post.provider is not Provider.GRAPH):
            post = None
        match method, edge:
            case "POST", "feed":
                return "create", lambda: self._create(_page(target), fields)
            case "GET", "feed" | "posts" | "published_posts":
                return "list", lambda: self._feed(_page(target), fields)
            case "POST", "comments":
                return "comment", lambda: self._comment(target, post, fields)
            case "GET", "comments":
                return "comments", lambda: self._comments(target, post, fields)
            case "GET", "accounts" if target == "me":
                return "accounts", self._accounts
            case "POST", "" if post:
                return "edit", lambda: self._edit(post, fields)
            case "DELETE", "":
                return "delete", lambda: self._delete(target, post)
            case "GET", "":
                return self._read_one(target, post, fields)
            case _:
                return "unknown", lambda: _missing(target)

    def _read_one(
        self, target: str, post: Post | None, fields: dict[str, str]
    ) -> tuple[str, Callable[[], Reply]]:
        if target == "debug_token":
            return "debug_token", lambda: self._debug(fields)
        if post:
            return "get", lambda: Reply.of(_shown(post, fields.get("fields", "")))
        if "_" in target:
            return "get", lambda: _missing(target)
        operation = "me" if target == "me" else "page"
        return operation, lambda: self._page(_page(target), fields.get("fields", "id,name"))

    # -- posts and comments

    def _create(self, page: str, fields: dict[str, str]) -> Reply:
        message, link = fields.get("message", ""), fields.get("link", "")
        if not (message or link):
            return error(100)
        if message and self._world.last_words(Provider.GRAPH, page) == message:
            return error(506)
        text = f"{message}\n{link}".strip() if link and link not in message else message
        post_id = f"{page}_{self._world.next_id()}"
        self._world.publish(Provider.GRAPH, page, text, post_id=post_id)
        return Reply.of({"id": post_id})

    def _comment(self, target: str, post: Post | None, fields: dict[str, str]) -> Reply:
        if post is None:
            return _missing(target)
        if not fields.get("message"):
            return error(100)
        comment_id = f"{post.id.rpartition('_')[2]}_{self._world.next_id()}"
        self._world.publish(
            Provider.GRAPH, post.account, fields["message"], parent=post.id, post_id=comment_id
        )
        return Reply.of({"id": comment_id})

    def _comments(self, target: str, post: Post | None, fields: dict[str, str]) -> Reply:
        if post is None:
            return _missing(target)
        found = [self._world.posts[entry] for entry in self._world.children.get(post.id, [])]
        living = [entry for entry in found if entry.deleted_at is None]
        return Reply.of({"data": [_shown(entry, fields.get("fields", "")) for entry in living]})

    def _edit(self, post: Post, fields: dict[str, str]) -> Reply:
        if not fields.get("message"):
            return error(100)
        self._world.edit(post, fields["message"])
        return Reply.of({"success": True})

    def _delete(self, target: str, post: Post | None) -> Reply:
        if post is None:
            return _missing(target)
        self._world.withdraw(post)
        return Reply.of({"success": True})

    def _feed(self, page: str, fields: dict[str, str]) -> Reply:
        limit = min(100, int(fields["limit"]) if fields.get("limit", "").isdecimal() else 25)
        since = float(fields["since"]) if fields.get("since", "").isdecimal() else 0.0
        after = fields.get("after", "")
        posts = iter(self._world.timeline(Provider.GRAPH, page))
        if after.isdecimal():
            posts = (post for post in posts if int(post.id.rpartition("_")[2]) < int(after))
        recent = (post for post in posts if post.created_at.timestamp() >= since)
        found = list(islice(recent, limit))
        if not found:
            return Reply.of({"data": []})
        paging = _paging(page, fields, found) if len(found) == limit else {}
        return Reply.of({"data": [_shown(post, fields.get("fields", "")) for post in found], **paging})

    # -- pages and tokens

    def _page(self, page: str, wanted: str) -> Reply:
        account = self._world.declare(Provider.GRAPH, page)
        known = {
            "id": page,
            "name": account.name,
            "username": account.username,
            "fan_count": 12000,
            "followers_count": 12400,
            "about": "Alerts of a campus that only exists here.",
            "link": f"https://www.facebook.com/{page}",
            "verification_status": "blue_verified",
            "is_published": True,
        }
        names = {name.strip() for name in wanted.split(",")} | {"id"}
        return Reply.of({name: value for name, value in known.items() if name in names})

    def _accounts(self) -> Reply:
        pages = [account for key, account in self._world.accounts.items() if key[0] == Provider.GRAPH]
        pages = pages or [self._world.declare(Provider.GRAPH, _page("me"))]
        data = [
            {
                "id": page.id,
                "name": page.name,
                "access_token": f"sandbox-page-token-{page.id}",
                "category": "College & University",
                "tasks": ["CREATE_CONTENT", "MODERATE", "MANAGE"],
            }
            for page in pages
        ]
        return Reply.of({"data": data})

    def _debug(self, fields: dict[str, str]) -> Reply:
        valid = not self._world.credentials.refuses(self.name, fields.get("input_token", ""))
        data: dict[str, Any] = {
            "app_id": fields.get("access_token", "").partition("|")[0],
            "application": "Sandbox",
            "type": "PAGE",
            "is_valid": valid,
            "expires_at": 0,
            "data_access_expires_at": 0,
            "scopes": ["pages_manage_posts", "pages_read_engagement", "pages_manage_engagement"],
        }
        if not valid:
            data["error"] = {"code": 190, "subcode": SUBCODES[190], "message": ERRORS[190][2]}
        return Reply.of({"data": data})


def error(code: int, message: str = "", *, status: int = 0) -> Reply:
    """The Graph error object for a code."""
    usual_status, kind, usual, transient = ERRORS.get(
        code, (400, "OAuthException", f"(#{code}) Error", False)
    )
    body: dict[str, Any] = {"message": message or usual, "type": kind, "code": code}
    if code in SUBCODES:
        body["error_subcode"] = SUBCODES[code]
    body |= {"is_transient": transient, "fbtrace_id": "A0000000000000000000000"}
    return Reply.of({"error": body}, status or usual_status)


def _missing(target: str) -> Reply:
    return error(100, MISSING.format(id=target))


def _token(request: Request, fields: dict[str, str]) -> str:
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    return fields.get("access_token", "") or (rest.strip() if scheme in ("Bearer", "OAuth") else "")


def _page(target: str) -> str:
    return "100000000000001" if target == "me" else target


def _paging(page: str, fields: dict[str, str], found: list[Post]) -> dict[str, Any]:
    before, after = (post.id.rpartition("_")[2] for post in (found[0], found[-1]))
    query = urlencode({**fields, "after": after})
    following = f"https://graph.facebook.com/v26.0/{page}/feed?{query}"
    return {"paging": {"cursors": {"before": before, "after": after}, "next": following}}


def _stamp(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S+0000")


def _shown(post: Post, wanted: str) -> dict[str, Any]:
    known = {
        "id": post.id,
        "message": post.text,
        "created_time": _stamp(post.created_at),
        "updated_time": _stamp(post.edited_at or post.created_at),
        "permalink_url": f"https://www.facebook.com/{post.id.replace('_', '/posts/')}",
        "is_published": True,
        "from": {"id": post.account, "name": post.account},
    }
    names = {name.strip() for name in (wanted or "id,message,created_time").split(",")} | {"id"}
    return {name: value for name, value in known.items() if name in names}
