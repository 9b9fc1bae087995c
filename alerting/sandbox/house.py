"""The sandbox's own pages: `/state` and `/control` for tests, the outbox for people."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit

from alerting.sandbox.callbacks import Callbacks
from alerting.sandbox.exchange import Reply, Request
from alerting.sandbox.faults import Faults
from alerting.sandbox.outbox import Outbox
from alerting.sandbox.records import Mail, Post, Provider, Seen, Text
from alerting.sandbox.script import Script, ScriptError
from alerting.sandbox.smtp import SmtpServer
from alerting.sandbox.world import World

SECTIONS: Final = ("counts", "posts", "texts", "mails", "requests")
LARGEST_PAGE: Final = 10_000
CREDENTIAL_PROVIDERS: Final = tuple(provider.value for provider in Provider)
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class House:
    """Everything that is not a provider."""

    def __init__(
        self, world: World, faults: Faults, callbacks: Callbacks, smtp: SmtpServer, *, host: str
    ) -> None:
        self._world = world
        self._faults = faults
        self._callbacks = callbacks
        self._smtp = smtp
        self._outbox = Outbox(world)
        self._hosts = LOOPBACK | {host} if host in LOOPBACK else None
        self._controls: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "/control/faults": self._play,
            "/control/reset": self._reset,
            "/control/credentials": self._credentials,
            "/control/accounts": self._account,
            "/control/mentions": self._mention,
            "/control/opt-out": self._opt_out,
        }

    def answer(self, request: Request) -> Reply:
        """Answer a person's browser or a test."""
        if not self._trusted(request):
            return _wrong(403, "This Host is not the sandbox's; open it by its own address")
        if request.path == "/state" and request.method == "GET":
            return self._state(request.query)
        if request.path in self._controls:
            return self._control(request)
        if request.method == "GET":
            page = self._outbox.page(request.path, request.query)
            if page is not None:
                return page
        return _wrong(404, "Nothing here; see /, /state, /control/faults and the providers' own paths")

    def _trusted(self, request: Request) -> bool:
        """Keep other web sites from reaching a loopback sandbox under a name of theirs."""
        host = urlsplit("//" + request.headers.get("host", "")).hostname
        return self._hosts is None or host in self._hosts

    # -- state

    def _state(self, query: dict[str, str]) -> Reply:
        section = query.get("section", "counts")
        if section == "counts":
            return Reply.of(self._counts())
        if section not in SECTIONS:
            return _wrong(400, f"section: {section!r} is not known; write one of {', '.join(SECTIONS)}")
        offset = _whole(query.get("offset", ""), 0)
        limit = min(LARGEST_PAGE, _whole(query.get("limit", ""), 100))
        total, items = self._items(section, query)
        page = list(islice(items, offset, offset + limit))
        return Reply.of({"section": section, "total": total, "offset": offset, "items": page})

    def _counts(self) -> dict[str, Any]:
        world = self._world
        names = (
            "posts",
            "deleted",
            "texts",
            "segments",
            "canceled",
            "mails",
            "mail_recipients",
            "mail_refused",
        )
        counts: dict[str, Any] = {name: world.counts[name] for name in (*names, "faults")}
        counts["requests"] = {name: world.counts[f"requests.{name}"] for name in CREDENTIAL_PROVIDERS}
        counts["phones"], counts["mailboxes"] = len(world.phones), len(world.mailboxes)
        counts["callbacks"] = {
            "waiting": self._callbacks.waiting,
            **{name: world.counts[f"callbacks.{name}"] for name in ("posted", "failed", "refused")},
        }
        counts["fired"] = self._faults.fired
        return counts

    def _items(self, section: str, query: dict[str, str]) -> tuple[int, Iterable[dict[str, Any]]]:
        """How many there are, oldest first; found by key when a key is given."""
        world, now = self._world, self._world.now()
        match section:
            case "posts":
                posts: Sequence[Post] = list(world.posts.values())
                if account := query.get("account"):
                    posts = [post for post in posts if post.account == account]
                return len(posts), (_post(post) for post in posts)
            case "texts":
                to = query.get("to")
                sids = world.phones.get(to, []) if to else world.texts
                return len(sids), (_text(world.texts[sid], now) for sid in sids)
            case "mails":
                to = query.get("to")
                numbers = world.mailboxes.get(to.lower(), []) if to else range(len(world.mails))
                return len(numbers), (_mail(world.mails[number]) for number in numbers)
            case _:
                seen: Sequence[Seen] = world.requests
                if provider := query.get("provider"):
                    seen = [request for request in seen if request.provider == provider]
                return len(seen), (_request(request) for request in seen)

    # -- control

    def _control(self, request: Request) -> Reply:
        if request.method != "POST":
            return _wrong(405, "Write POST")
        if not request.headers.get("content-type", "").startswith("application/json"):
            return _wrong(415, "Write Content-Type: application/json")
        try:
            given = json.loads(request.body) if request.body else {}
            if isinstance(given, list):
                given = {"rules": given}
            if not isinstance(given, dict):
                return _wrong(400, "the body is not an object; write {...}")
            return Reply.of(self._controls[request.path](given))
        except ScriptError as error:
            return _wrong(400, str(error))
        except ValueError as error:
            return _wrong(400, f"the body is not JSON ({error})")

    def _play(self, given: dict[str, Any]) -> dict[str, Any]:
        script = Script.parse(given)
        self._faults.play(script, seed=self._world.seed)
        self._smtp.forget()
        return {"rules": [rule.name for rule in script.rules], "seed": self._faults.seed}

    def _reset(self, _: dict[str, Any]) -> dict[str, Any]:
        self._callbacks.clear()
        self._world.reset()
        self._world.credentials.dead.clear()
        self._smtp.forget()
        self._faults.play(self._faults.script, seed=self._faults.seed)
        return {"reset": True}

    def _credentials(self, given: dict[str, Any]) -> dict[str, Any]:
        provider = _needed(given, "provider", CREDENTIAL_PROVIDERS)
        dead = given.get("dead", [])
        tokens = [dead] if isinstance(dead, str) else dead
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise ScriptError('dead: not text; write a token, a list of tokens, or "*" for all')
        if given.get("alive"):
            self._world.credentials.revive(provider)
        self._world.credentials.kill(provider, tokens)
        return {"provider": provider, "dead": len(self._world.credentials.dead.get(provider, ()))}

    def _account(self, given: dict[str, Any]) -> dict[str, Any]:
        provider = Provider(_needed(given, "provider", ("x", "graph")))
        account = self._world.declare(
            provider,
            _needed(given, "id"),
            username=str(given.get("username") or ""),
            name=str(given.get("name") or ""),
        )
        return {"id": account.id, "username": account.username, "name": account.name}

    def _mention(self, given: dict[str, Any]) -> dict[str, Any]:
        author = str(given.get("author") or "42")
        post = self._world.mention(_needed(given, "account"), _needed(given, "text"), author)
        return {"id": post.id}

    def _opt_out(self, given: dict[str, Any]) -> dict[str, Any]:
        self._world.opted_out.add(_needed(given, "number"))
        return {"opted_out": len(self._world.opted_out)}


def _needed(given: dict[str, Any], name: str, choices: Sequence[str] = ()) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value or (choices and value not in choices):
        raise ScriptError(f"{name}: {value!r} is not known; write {' or '.join(choices) or 'some text'}")
    return value


def _whole(value: str, default: int) -> int:
    return int(value) if value.isdecimal() else default


def _wrong(status: int, sentence: str) -> Reply:
    return Reply.of({"error": sentence}, status)


def _post(post: Post) -> dict[str, Any]:
    return {
        "id": post.id,
        "provider": post.provider,
        "account": post.account,
        "text": post.text,
        "parent": post.parent,
        "author": post.author,
        "created_at": post.created_at.isoformat(),
        "edited": post.edited_at is not None,
        "deleted": post.deleted_at is not None,
    }


def _text(text: Text, now: float) -> dict[str, Any]:
    return {
        "sid": text.sid,
        "account": text.account,
        "to": text.to,
        "from": text.sender,
        "service": text.service,
        "body": text.body,
        "segments": text.segments,
        "status": text.status(now),
        "error_code": text.settled_error(now),
        "status_callback": text.status_callback,
        "created_at": text.created_at.isoformat(),
    }


def _request(request: Seen) -> dict[str, Any]:
    at = datetime.fromtimestamp(request.at, UTC).isoformat()
    return {**request._asdict(), "at": at}


def _mail(mail: Mail) -> dict[str, Any]:
    return {
        "number": mail.number,
        "sender": mail.sender,
        "recipients": mail.recipients,
        "options": mail.options,
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
        "headers": mail.headers,
        "size_bytes": len(mail.raw),
        "received_at": mail.received_at.isoformat(),
    }
