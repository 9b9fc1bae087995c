"""Twilio's REST API on the wire: messages, their statuses, the account and its balance."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Final
from urllib.parse import urlencode

from alerting.named import NamedTuple
from alerting.sandbox.callbacks import Callbacks, Receipt
from alerting.sandbox.effect import Effect, Kind
from alerting.sandbox.exchange import Call, Reply, Request
from alerting.sandbox.faults import Faults
from alerting.sandbox.messageview import ROOT, rfc2822, sent_at, shown
from alerting.sandbox.records import Provider, Step, Text
from alerting.sandbox.septets import segments
from alerting.sandbox.twiliocodes import CODE_FOR, FIRST_LATE_CODE, MAGIC, error
from alerting.sandbox.world import World

PATH: Final = re.compile(r"/2010-04-01/Accounts/([^/.]+)(?:/([A-Za-z]+)(?:/([^/.]+))?)?\.json")
E164: Final = re.compile(r"\+[1-9]\d{6,14}")
LONGEST_BODY: Final = 1600


class Login(NamedTuple):
    """The two halves of Basic authentication."""

    user: str
    password: str


class Twilio:
    """One or many Twilio accounts."""

    name = Provider.TWILIO.value

    def __init__(self, world: World, faults: Faults, callbacks: Callbacks, auth_token: str | None) -> None:
        self._world = world
        self._faults = faults
        self._callbacks = callbacks
        self._auth_token = auth_token

    def read(self, request: Request) -> Call:
        """Understand a request."""
        login = _login(request.headers.get("authorization", ""))
        operation, to, text, run = self._route(request, login)

        def answer(effect: Effect | None) -> Reply:
            if login is None or self._world.credentials.refuses(self.name, *login):
                return error(20003)
            return run(effect).with_headers(
                ("twilio-concurrent-requests", "1"), ("twilio-request-id", "RQ" + self._world.next_hex())
            )

        return Call(operation, to, text, answer)

    def refuse(self, effect: Effect) -> Reply:
        """An error body: by `code` if one is given, else a code fit for the status."""
        if effect.kind is Kind.DEAD_TOKEN:
            return error(20003)
        if effect.kind is Kind.OPTED_OUT:
            return error(21610)
        code = effect.code or CODE_FOR.get(effect.status, 20500)
        return error(code, status=effect.status)

    def _route(  # noqa: PLR0911  # a table of routes
        self, request: Request, login: Login | None
    ) -> tuple[str, str, str, Callable[[Effect | None], Reply]]:
        found = PATH.fullmatch(request.path)
        account, resource, sid = found.groups() if found else ("", "", None)
        match request.method, resource, bool(sid):
            case "POST", "Messages", False:
                form = request.form
                to, body = form.get("To", ""), form.get("Body", "")
                return "create", to, body, lambda effect: self._create(account, form, effect, login)
            case "GET", "Messages", False:
                query = request.query
                return "list", query.get("To", ""), "", lambda _: self._list(account, query)
            case "POST", "Messages", True:
                return "cancel", sid or "", "", lambda _: self._update(sid or "", request.form)
            case "GET", "Messages", True:
                return "get", sid or "", "", lambda _: self._get(sid or "")
            case "GET", None, False:
                return "account", account, "", lambda _: self._account(account)
            case "GET", "Balance", False:
                return "balance", account, "", lambda _: self._balance(account)
            case _:
                return "unknown", "", "", lambda _: error(20404)

    # -- messages

    def _create(
        self, account: str, form: dict[str, str], effect: Effect | None, login: Login | None
    ) -> Reply:
        to = form.get("To", "")
        if refused := self._refused(form, to):
            return error(refused, to=to)
        now = self._world.now()
        service = form.get("MessagingServiceSid") or None
        sender = form.get("From", "") or f"+1500555{int(self._world.next_hex()[:4], 16) % 10000:04d}"
        late_code, outcome = self._fate(to, sender, effect)
        text = Text(
            sid="SM" + self._world.next_hex(),
            account=account,
            to=to,
            sender=sender,
            service=service,
            body=form.get("Body", ""),
            segments=segments(form.get("Body", "")),
            created_at=datetime.fromtimestamp(now, UTC),
            steps=self._steps(now, form, outcome),
            error_code=late_code,
            status_callback=form.get("StatusCallback") or None,
        )
        self._world.keep_text(text)
        if text.status_callback and self._faults.script.switches.callbacks:
            self._announce(text, effect, self._auth_token or (login.password if login else ""))
        return Reply.of(shown(text, now, created=True), 201)

    def _refused(self, form: dict[str, str], to: str) -> int | None:
        checks = (
            (not to, 21604),
            (not (form.get("From") or form.get("MessagingServiceSid")), 21603),
            (not (form.get("Body") or form.get("MediaUrl") or form.get("ContentSid")), 21602),
            (len(form.get("Body", "")) > LONGEST_BODY, 21617),
            (to in self._world.opted_out, 21610),
        )
        for failed, code in checks:
            if failed:
                return code
        script = self._faults.script
        special = script.numbers.get(to) or script.senders.get(form.get("From", "")) or MAGIC.get(to, 0)
        if special and special < FIRST_LATE_CODE:
            return special
        return None if E164.fullmatch(to) or ":" in to else 21211

    def _fate(self, to: str, sender: str, effect: Effect | None) -> tuple[int | None, str]:
        script = self._faults.script
        code = script.numbers.get(to) or script.senders.get(sender)
        if effect and effect.kind is Kind.RECEIPTS and effect.outcome != "delivered":
            failed = effect.outcome in ("undelivered", "failed")
            return (effect.code or 30003) if failed else None, effect.outcome
        return (code, "undelivered") if code else (None, "delivered")

    def _steps(self, now: float, form: dict[str, str], outcome: str) -> tuple[Step, ...]:
        switches = self._faults.script.switches
        stretch = 1 + Random(self._world.next_hex()).random() / 2  # noqa: S311
        due = _instant(form.get("SendAt", "")) if form.get("ScheduleType") == "fixed" else None
        if due:
            leaves = due.timestamp()
            start = [Step(now, "scheduled"), Step(leaves, "queued")]
        elif form.get("MessagingServiceSid"):
            leaves = now
            start = [Step(now, "accepted"), Step(now + switches.sent_after_s / 2, "queued")]
        else:
            leaves = now
            start = [Step(now, "queued")]
        sent = Step(leaves + switches.sent_after_s * stretch, "sent")
        settled_at = max(sent.at, leaves + switches.delivered_after_s * stretch)
        if outcome in ("sent", "none"):
            return (*start, sent)
        return (*start, sent, Step(settled_at, outcome))

    def _announce(self, text: Text, effect: Effect | None, token: str) -> None:
        """Schedule the status callbacks; there is none for the first status."""
        steps = list(text.steps[1:])
        if effect and effect.kind is Kind.RECEIPTS:
            if effect.outcome == "none":
                return
            if effect.order != "normal":
                moments = [step.at for step in steps]
                steps.reverse()
                if effect.order == "shuffled":
                    Random(text.sid).shuffle(steps)  # noqa: S311
                steps = [Step(at, step.status) for at, step in zip(moments, steps, strict=True)]
        copies = effect.copies if effect and effect.kind is Kind.RECEIPTS else 1
        for step in steps:
            receipt = Receipt(text, step.status, token, "IT" + self._world.next_hex())
            for copy in range(copies):
                self._callbacks.post_at(step.at + copy * 0.01, receipt)

    def _get(self, sid: str) -> Reply:
        text = self._world.texts.get(sid)
        return Reply.of(shown(text, self._world.now())) if text else error(20404)

    def _update(self, sid: str, form: dict[str, str]) -> Reply:
        text = self._world.texts.get(sid)
        if text is None:
            return error(20404)
        if form.get("Status") != "canceled":
            return error(20404, "Only Status=canceled is understood", status=400)
        gone = self._world.cancel_text(text)
        return Reply.of(shown(gone, self._world.now())) if gone else error(30409)

    def _list(self, account: str, query: dict[str, str]) -> Reply:
        size = min(1000, max(1, _whole(query.get("PageSize", ""), 50)))
        page = _whole(query.get("Page", ""), 0)
        found = list(islice(self._matching(account, query), page * size, page * size + size + 1))
        texts = [shown(text, self._world.now()) for text in found[:size]]

        def uri(number: int) -> str:
            kept = {name: value for name, value in query.items() if name not in ("Page", "PageToken")}
            token = {"PageToken": f"PA{texts[-1]['sid']}"} if number > page else {}
            return f"{ROOT}{account}/Messages.json?{urlencode({**kept, 'Page': number, **token})}"

        return Reply.of(
            {
                "messages": texts,
                "page": page,
                "page_size": size,
                "start": page * size,
                "end": page * size + max(0, len(texts) - 1),
                "first_page_uri": uri(0),
                "previous_page_uri": uri(page - 1) if page else None,
                "next_page_uri": uri(page + 1) if len(found) > size else None,
                "uri": uri(page),
            }
        )

    def _matching(self, account: str, query: dict[str, str]) -> Iterable[Text]:
        """The account's texts, newest first, by To, From and DateSent."""
        world, now = self._world, self._world.now()
        to, sender = query.get("To"), query.get("From")
        exactly = _instant(query.get("DateSent", ""))
        earliest = _instant(query.get("DateSent>", "")) or exactly
        latest = _instant(query.get("DateSent<", "")) or (exactly and exactly + timedelta(days=1))
        sids = reversed(world.phones.get(to, [])) if to else reversed(world.texts)
        for text in (world.texts[sid] for sid in sids):
            if text.account != account or (sender and text.sender != sender):
                continue
            if earliest or latest:
                sent = sent_at(text, now)
                if not sent or (earliest and sent < earliest) or (latest and sent > latest):
                    continue
            yield text

    def _account(self, account: str) -> Reply:
        stamp = rfc2822(self._world.instant())
        return Reply.of(
            {
                "sid": account,
                "owner_account_sid": account,
                "friendly_name": "Sandbox",
                "status": "active",
                "type": "Full",
                "auth_token": None,
                "date_created": stamp,
                "date_updated": stamp,
                "uri": f"{ROOT}{account}.json",
                "subresource_uris": {"messages": f"{ROOT}{account}/Messages.json"},
            }
        )

    def _balance(self, account: str) -> Reply:
        balance = f"{self._faults.script.switches.twilio_balance:.2f}"
        return Reply.of({"account_sid": account, "balance": balance, "currency": "USD"})


def _login(header: str) -> Login | None:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return Login(user, password) if colon and user else None


def _whole(value: str, default: int) -> int:
    return int(value) if value.isdecimal() else default


def _instant(value: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
