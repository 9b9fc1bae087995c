"""A post on a Facebook page: what is sent, what answers mean, how an unanswered one is found again."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import monotonic
from urllib.parse import parse_qsl

import pytest
from pydantic import ValidationError

from alerting.channels.base import Absent, CannotTell, Found, Lookup, Probe, Retractable, Surroundings
from alerting.channels.facebook import channel, codes, health
from alerting.channels.facebook.config import FacebookSettings
from alerting.channels.web_answer import Answer
from alerting.clock import FrozenClock
from alerting.model.audience import Address
from alerting.model.message import Unit
from alerting.model.outcome import Accepted, Deferred, Reason, Rejected, Scope, Unknown
from alerting.sandbox.records import Provider
from alerting.secret import Secret
from alerting.testing.builders import a_content, an_envelope

PAGE = "100000000000001"
TOKEN, APP_SECRET = "page-token-1", "app-secret-1"
FEED = Address.parse(f"feed:facebook/{PAGE}")
ENVELOPE = an_envelope(address=FEED, content=a_content("FIRE in Hall 3.\nLeave now & stay away."))
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def some_settings(**overrides):
    given = {"name": "facebook-main", "page": PAGE, "access_token": Secret(TOKEN), "deadline_s": 5.0}
    return FacebookSettings(**(given | overrides))


WITH_APP = {"app_id": "42", "app_secret": Secret(APP_SECRET)}


@pytest.fixture
def facebook(surroundings):
    return channel.build(some_settings(), surroundings)


def hurried(surroundings, seconds):
    settings = some_settings().model_copy(update={"deadline_s": seconds})
    return channel.build(settings, surroundings)


def rule(status, body=None, operation="*", **effect):
    answer = {"kind": "status", "status": status, **effect}
    return {
        "provider": "graph",
        "operation": operation,
        "effect": answer if body is None else answer | {"body": body},
    }


def error(code, message="Something", **fields):
    return {"error": {"message": message, "type": "OAuthException", "code": code, **fields}}


def posted(sandbox):
    return [post for post in sandbox.world.posts.values() if post.provider is Provider.GRAPH]


def operations(sandbox):
    return [seen.operation for seen in sandbox.world.requests]


class Recorder(BaseHTTPRequestHandler):
    """Answers everything well, and keeps method, path, parameters and token of each request."""

    def answer(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        token = self.headers.get("Authorization", "")
        self.server.seen.append((self.command, path, dict(parse_qsl(query or body)), query, token))
        raw = b'{"id":"1_2","name":"Campus","data":[],"success":true}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815  # the names http.server looks for

    def log_message(self, *_):
        """Keep the test's output clean."""


@pytest.fixture
def recorder():
    with ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        server.seen = []
        server.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


class TestPosting:
    async def test_an_accepted_post_links_to_itself(self, facebook, sandbox):
        outcome = await facebook.send(ENVELOPE)
        [post] = posted(sandbox)
        number = post.id.removeprefix(f"{PAGE}_")
        assert outcome == Accepted(post.id, f"https://www.facebook.com/{PAGE}/posts/{number}")
        assert post.text == ENVELOPE.content.text

    async def test_an_update_is_a_post_and_a_comment_under_the_first(self, facebook, sandbox):
        first = await facebook.send(ENVELOPE)
        update = ENVELOPE._replace(content=a_content("Update 1"), thread=(first.provider_id,))
        second = await facebook.send(update)
        third = update._replace(content=a_content("Update 2"), thread=(*update.thread, second.provider_id))
        await facebook.send(third)
        assert second.note == ""
        said = [(post.text, post.parent) for post in posted(sandbox)][1:]
        assert said == [
            ("Update 1", None),
            ("Update 1", first.provider_id),
            ("Update 2", None),
            ("Update 2", first.provider_id),
        ]

    @pytest.mark.parametrize("effect", ["dead_token", "reset", "html", {"kind": "status", "status": 500}])
    async def test_a_comment_that_fails_does_not_fail_the_post(self, facebook, sandbox, play, effect):
        play({"provider": "graph", "operation": "comment", "effect": effect})
        outcome = await facebook.send(ENVELOPE._replace(thread=(f"{PAGE}_1",)))
        assert isinstance(outcome, Accepted)
        assert outcome.note.startswith("posted, but not also as a comment under the incident's first post: ")
        assert operations(sandbox) == ["create", "comment"]

    async def test_post_and_comment_share_one_deadline(self, surroundings, play):
        play({"provider": "graph", "operation": "comment", "effect": {"kind": "hang", "seconds": 20}})
        began = monotonic()
        outcome = await hurried(surroundings, 0.5).send(ENVELOPE._replace(thread=(f"{PAGE}_1",)))
        assert isinstance(outcome, Accepted)
        assert monotonic() - began < 1.0

    async def test_without_acceptance_nothing_is_commented(self, facebook, sandbox, play):
        play({"provider": "graph", "operation": "create", "effect": {"kind": "reset", "when": "after"}})
        assert isinstance(await facebook.send(ENVELOPE._replace(thread=(f"{PAGE}_1",))), Unknown)
        assert operations(sandbox) == ["create"]

    @pytest.mark.parametrize("status", [301, 302, 307])
    async def test_a_redirect_is_not_followed(self, facebook, sandbox, play, status):
        there = {"Location": f"{sandbox.http_url}/v26.0/{PAGE}/feed"}
        play(rule(status, {}, headers=there) | {"match": {"first": 1}})
        assert isinstance(await facebook.send(ENVELOPE), Unknown)
        assert posted(sandbox) == []

    async def test_the_configured_version_is_asked_for(self, surroundings, recorder):
        around = surroundings._replace(base_url=recorder.url)
        await channel.build(some_settings(version="v25.0"), around).send(ENVELOPE)
        assert [path for _, path, *_ in recorder.seen] == [f"/v25.0/{PAGE}/feed"]


class TestCredentials:
    async def everything(self, surroundings, recorder, **settings):
        around = surroundings._replace(base_url=recorder.url)
        facebook = channel.build(some_settings(**settings), around)
        await facebook.send(ENVELOPE)
        await facebook.find(ENVELOPE, NOW)
        await facebook.check()
        await facebook.retract("1_2")
        return recorder.seen

    async def test_no_token_is_ever_in_an_address(self, surroundings, recorder):
        seen = await self.everything(surroundings, recorder)
        assert [method for method, *_ in seen] == ["POST", "GET", "GET", "DELETE"]
        assert [given.get("access_token") for _, _, given, _, _ in seen] == [TOKEN, None, None, None]
        assert [token for *_, token in seen] == ["", *[f"Bearer {TOKEN}"] * 3]
        assert not any(TOKEN in query for *_, query, _ in seen)

    async def test_every_call_with_the_pages_token_proves_the_apps_secret(self, surroundings, recorder):
        seen = await self.everything(surroundings, recorder, **WITH_APP)
        proof = hmac.new(APP_SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()
        proofs = {path: given.get("appsecret_proof") for _, path, given, _, _ in seen}
        assert proofs.pop("/v26.0/debug_token") is None
        assert set(proofs.values()) == {proof}

    async def test_the_apps_secret_is_never_in_an_address(self, surroundings, recorder):
        seen = await self.everything(surroundings, recorder, **WITH_APP)
        assert f"Bearer 42|{APP_SECRET}" in [token for *_, token in seen]
        assert not any(APP_SECRET in str(given) for _, _, given, _, _ in seen)

    async def test_the_machines_netrc_does_not_replace_the_token(
        self, surroundings, recorder, tmp_path, monkeypatch
    ):
        netrc = tmp_path / "netrc"
        netrc.write_text("default login somebody password else\n")
        monkeypatch.setenv("NETRC", str(netrc))
        seen = await self.everything(surroundings, recorder)
        assert seen[1][-1] == f"Bearer {TOKEN}"

    async def test_a_token_that_graph_repeats_is_taken_out(self, facebook, play):
        play(rule(400, error(190, f"Malformed access token {TOKEN}")))
        outcome = await facebook.send(ENVELOPE)
        assert outcome.reason is Reason.AUTH
        assert TOKEN not in outcome.detail


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (error(3), Reason.FORBIDDEN),
            (error(10), Reason.FORBIDDEN),
            (error(100), Reason.BAD_REQUEST),
            (error(100, "Invalid appsecret_proof provided in the API argument"), Reason.AUTH),
            (error(100, error_subcode=33), Reason.SENDER_INVALID),
            (error(102), Reason.AUTH),
            (error(190, error_subcode=463), Reason.AUTH),
            (error(190, error_subcode=459), Reason.SUSPENDED),
            (error(200), Reason.FORBIDDEN),
            (error(283), Reason.FORBIDDEN),
            (error(368), Reason.SUSPENDED),
            (error(506, error_subcode=1455006), Reason.DUPLICATE),
            (error(1609005), Reason.CONTENT_REFUSED),
            (error(987654), Reason.UNRECOGNISED),
        ],
    )
    @pytest.mark.parametrize("status", [200, 400])
    async def test_an_error_is_told_by_its_code_whatever_the_status(
        self, facebook, play, status, body, reason
    ):
        play(rule(status, body))
        outcome = await facebook.send(ENVELOPE)
        assert isinstance(outcome, Rejected)
        assert outcome.reason is reason
        assert str(body["error"]["code"]) in outcome.detail

    @pytest.mark.parametrize("code", sorted(codes.LIMITS))
    async def test_a_limit_is_deferred(self, facebook, play, code):
        play(rule(400, error(code)))
        outcome = await facebook.send(ENVELOPE)
        assert isinstance(outcome, Deferred)
        assert outcome.reason is Reason.RATE_LIMITED

    async def test_a_limit_by_status_is_deferred_whatever_the_code(self, facebook, play):
        play(rule(429, error(987654)))
        assert isinstance(await facebook.send(ENVELOPE), Deferred)

    @pytest.mark.parametrize(
        ("usage", "minutes"),
        [
            ('{"1":[{"type":"pages","call_count":100,"estimated_time_to_regain_access":12}]}', 12),
            (
                '{"1":[{"estimated_time_to_regain_access":3},{"estimated_time_to_regain_access":5}],"2":[]}',
                5,
            ),
            ('{"1":[{"estimated_time_to_regain_access":999999999999}]}', 24 * 60),
            ('{"1":[{"estimated_time_to_regain_access":0}]}', None),
            ('{"1":[{"estimated_time_to_regain_access":NaN}]}', None),
            ('{"1":[7],"2":"x"}', None),
            ("[]", None),
            ("soon", None),
        ],
    )
    async def test_a_limit_says_when_it_opens_again(self, facebook, play, usage, minutes):
        play(rule(400, error(80001), headers={"X-Business-Use-Case-Usage": usage}))
        outcome = await facebook.send(ENVELOPE)
        assert outcome.after == (None if minutes is None else timedelta(minutes=minutes))

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (500, error(1)),
            (400, error(2, is_transient=True)),
            (400, error(987654, is_transient=True)),
            (503, {"title": "no error key"}),
            (503, {"id": "1_2"}),
            (500, error(987654)),
            (200, {}),
            (200, {"id": 7}),
            (200, {"id": "../me"}),
            (200, {"id": "1_2", **error(1)}),
            (200, {"id": ""}),
            (200, "true"),
            (200, '{"id":"1_2"'),
            (400, "<html>a gateway</html>"),
            (400, {"error": "words"}),
        ],
    )
    async def test_what_leaves_it_open_is_unknown(self, facebook, play, status, body):
        play(rule(status, body))
        assert isinstance(await facebook.send(ENVELOPE), Unknown)

    @pytest.mark.parametrize(
        ("status", "reason"),
        [(401, Reason.AUTH), (403, Reason.FORBIDDEN), (404, Reason.UNAVAILABLE), (413, Reason.TOO_LONG)],
    )
    async def test_without_graphs_words_the_status_counts(self, facebook, play, status, reason):
        play(rule(status, "<html>a gateway</html>"))
        outcome = await facebook.send(ENVELOPE)
        assert (type(outcome), outcome.reason) == (Rejected, reason)

    @pytest.mark.parametrize(("status", "seconds"), [(429, 9), (408, 9)])
    async def test_a_gateways_wait_is_kept(self, facebook, play, status, seconds):
        play(rule(status, "busy", headers={"Retry-After": str(seconds)}))
        outcome = await facebook.send(ENVELOPE)
        assert (type(outcome), outcome.after) == (Deferred, timedelta(seconds=seconds))

    async def test_an_answer_without_a_content_type_is_understood(self, facebook, play):
        play(rule(200, {"id": "1_2"}, headers={"content-type": None}))
        assert isinstance(await facebook.send(ENVELOPE), Accepted)

    def test_no_refusal_is_laid_on_an_address(self):
        reasons = {*codes.CODES.values(), *codes.SUBCODES.values(), *codes.STATUSES.values()}
        assert all(reason.scope is not Scope.ADDRESS for reason in reasons)


class TestLookup:
    async def test_a_visitors_post_with_our_words_is_not_ours(self, facebook, play):
        theirs = {"id": "1_2", "message": ENVELOPE.content.text, "from": {"id": "999"}}
        play(rule(200, {"data": [theirs]}, "list"))
        assert await facebook.find(ENVELOPE, NOW) == Absent(certain=False)

    async def test_a_page_known_by_name_finds_its_posts(self, surroundings, play):
        ours = {"id": "1_2", "message": ENVELOPE.content.text, "from": {"id": PAGE}}
        play(rule(200, {"data": [ours]}, "list"))
        named = channel.build(some_settings(page="campus.alerts"), surroundings)
        assert await named.find(ENVELOPE, NOW) == Found("1_2", "https://www.facebook.com/1/posts/2")

    async def test_a_duplicate_is_found(self, facebook):
        first = await facebook.send(ENVELOPE)
        second = await facebook.send(ENVELOPE)
        assert second.reason is Reason.DUPLICATE
        verdict = await facebook.find(ENVELOPE, datetime.now(UTC))
        assert verdict == Found(first.provider_id, first.permalink)

    async def test_of_a_follow_up_that_is_found_nobody_knows_whether_it_is_a_comment_too(self, facebook):
        await facebook.send(ENVELOPE)
        update = ENVELOPE._replace(thread=(f"{PAGE}_1",))
        assert "look whether it is also a comment" in (await facebook.find(update, datetime.now(UTC))).note

    async def test_later_pages_are_read_too(self, facebook, sandbox, play):
        first = await facebook.send(ENVELOPE)
        following = {"cursors": {"after": "9" * 20}, "next": "https://graph.facebook.com/v26.0/x"}
        play(rule(200, {"data": [], "paging": following}, "list") | {"match": {"first": 1}})
        verdict = await facebook.find(ENVELOPE, datetime.now(UTC))
        assert verdict == Found(first.provider_id, first.permalink)
        assert operations(sandbox) == ["create", "list", "list"]

    async def test_a_list_that_does_not_end_proves_nothing(self, facebook, sandbox, play):
        page = {"data": [], "paging": {"cursors": {"after": "1"}, "next": "https://graph.facebook.com/x"}}
        play(rule(200, page, "list"))
        assert isinstance(await facebook.find(ENVELOPE, NOW), CannotTell)
        assert operations(sandbox) == ["list"] * 5

    @pytest.mark.parametrize(
        "effect",
        ["html", "empty", "reset", "dead_token", "huge", {"kind": "status", "status": 200, "body": "[]"}],
    )
    async def test_a_look_up_that_fails_proves_nothing(self, facebook, play, effect):
        play({"provider": "graph", "operation": "list", "effect": effect})
        assert isinstance(await facebook.find(ENVELOPE, NOW), CannotTell)


class TestProbe:
    async def test_a_good_token_passes_every_check(self, surroundings):
        checks = await channel.build(some_settings(**WITH_APP), surroundings).check()
        assert all(check.ok for check in checks), checks
        assert [check.what for check in checks] == [
            "credentials",
            "page",
            "version",
            "headroom",
            "token",
            "token expiry",
            "permission",
        ]

    async def test_a_probe_posts_nothing(self, surroundings, sandbox):
        await channel.build(some_settings(**WITH_APP), surroundings).check()
        assert operations(sandbox) == ["page", "debug_token"]

    async def test_a_dead_token_says_what_to_do(self, facebook, play):
        play({"provider": "graph", "effect": "dead_token"})
        checks = await facebook.check()
        assert (checks[0].what, checks[0].ok) == ("credentials", False)
        assert "renew" in checks[0].fix

    async def test_an_unpublished_page_is_noticed(self, facebook, play):
        play(rule(200, {"id": PAGE, "name": "Campus", "is_published": False}))
        [page] = [check for check in await facebook.check() if check.what == "page"]
        assert not page.ok

    @pytest.mark.parametrize(
        ("used", "what", "fine"), [(80, "headroom", True), (81, "headroom", False), (100, "calls", False)]
    )
    async def test_few_calls_left_are_told(self, facebook, play, used, what, fine):
        play(graph_usage=used)
        [found] = [check for check in await facebook.check() if check.what in ("headroom", "calls")]
        assert (found.what, found.ok) == (what, fine)
        assert found.detail

    @pytest.mark.parametrize(
        ("header", "said", "found"),
        [
            ("x-business-use-case-usage", '{"1": [{"type": "pages", "call_count": 95}]}', [False]),
            ("x-business-use-case-usage", '{"1": "pages", "2": [7, {"call_count": true}]}', []),
            ("x-app-usage", "[1]", []),
            ("x-app-usage", "half", []),
        ],
    )
    def test_what_graph_says_of_calls_is_read_as_far_as_it_can_be(self, header, said, found):
        answer = Answer(status=200, headers={header: said}, body=b"")
        assert [check.ok for check in health.headroom(answer, 20)] == found

    async def test_a_version_that_ended_is_noticed(self, surroundings):
        old = channel.build(some_settings(version="v19.0"), surroundings)
        [version] = [check for check in await old.check() if check.what == "version"]
        assert not version.ok
        assert f"write version: {codes.NEWEST}" in version.fix

    @pytest.mark.parametrize(
        ("today", "fine"), [(date(2027, 3, 1), True), (date(2027, 5, 1), False), (date(2027, 6, 1), False)]
    )
    async def test_a_version_that_ends_soon_is_noticed(self, sandbox, today, fine):
        then = FrozenClock(datetime(today.year, today.month, today.day, tzinfo=UTC))
        house = Surroundings(clock=then, campus="", base_url=sandbox.http_url)
        checks = await channel.build(some_settings(version="v22.0"), house).check()
        [version] = [check for check in checks if check.what == "version"]
        assert version.ok is fine
        assert "2027-05-20" in version.detail

    @pytest.mark.parametrize(
        ("data", "wrong"),
        [
            ({"is_valid": False, "error": {"message": "logged out"}}, {"token", "permission"}),
            ({"is_valid": True, "scopes": ["pages_manage_posts"]}, {"permission"}),
            (
                {
                    "is_valid": True,
                    "scopes": ["pages_manage_posts", "pages_read_engagement"],
                    "expires_at": 1,
                },
                {"token expiry"},
            ),
            ("nothing", {"token"}),
        ],
    )
    async def test_what_is_wrong_with_a_token_is_told(self, surroundings, play, data, wrong):
        play(rule(200, {"data": data}, "debug_token"))
        checks = await channel.build(some_settings(**WITH_APP), surroundings).check()
        assert {check.what for check in checks if not check.ok} == wrong


class TestRetracting:
    async def test_a_post_that_is_gone_counts_as_deleted(self, facebook):
        sent = await facebook.send(ENVELOPE)
        for _ in range(2):
            assert await facebook.retract(sent.provider_id) == Accepted(sent.provider_id)

    @pytest.mark.parametrize("hidden", [("delete",), ("delete", "get", "list")])
    async def test_what_only_our_token_may_not_see_is_not_taken_for_gone(self, facebook, play, hidden):
        sent = await facebook.send(ENVELOPE)
        play(*(rule(400, error(100, error_subcode=33), operation) for operation in hidden))
        assert isinstance(await facebook.retract(sent.provider_id), Rejected)

    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (400, error(100, error_subcode=33), Rejected),
            (400, error(32), Deferred),
            (500, {"success": True}, Unknown),
            (200, {"success": False}, Unknown),
        ],
    )
    async def test_a_refused_deletion_is_told(self, facebook, play, status, body, kind):
        play(rule(status, body))
        assert isinstance(await facebook.retract("1_2"), kind)


class TestBuilding:
    def test_it_says_what_it_can(self, facebook):
        can = facebook.capabilities
        assert (can.feeds, can.shape.unit, can.shape.limit) == ((FEED,), Unit.CHARACTERS, 63_206)
        assert can.shape.slots == ("facebook", "post", "message")
        assert isinstance(facebook, Lookup)
        assert isinstance(facebook, Probe)
        assert isinstance(facebook, Retractable)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"page": "a page"},
            {"page": "../me"},
            {"version": "26"},
            {"app_id": "42"},
            {"access_token": "text"},
        ],
    )
    def test_wrong_settings_are_refused(self, wrong):
        with pytest.raises(ValidationError):
            some_settings(**wrong)
