"""A post on X: what is sent, what answers mean, and how an unanswered one is found again."""

from __future__ import annotations

import asyncio
import html
import json
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alerting.channels.base import CannotTell, Found, Lookup, Probe, Retractable, Surroundings
from alerting.channels.web_answer import Answer
from alerting.channels.x import channel, codes, health, timeline
from alerting.channels.x.config import XSettings
from alerting.clock import FrozenClock
from alerting.model.audience import Address
from alerting.model.message import Unit
from alerting.model.outcome import Accepted, Deferred, Reason, Rejected, Scope, Unknown
from alerting.sandbox.records import Provider
from alerting.secret import Secret
from alerting.testing.builders import a_content, an_envelope

FEED = Address.parse("feed:x/campus")
ENVELOPE = an_envelope(address=FEED, content=a_content("FIRE in Hall 3. Leave now & stay away."))
OWN = "1234"
TOKEN = f"{OWN}-access-token"
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def some_settings(**overrides):
    given = {
        "name": "x-main",
        "account": "campus",
        "consumer_key": Secret("consumer-key"),
        "consumer_secret": Secret("consumer-secret"),
        "access_token": Secret(TOKEN),
        "access_token_secret": Secret("token-secret"),
        "deadline_s": 5.0,
    }
    return XSettings(**(given | overrides))


@pytest.fixture
def x(surroundings):
    return channel.build(some_settings(), surroundings)


def hurried(surroundings, seconds):
    settings = some_settings().model_copy(update={"deadline_s": seconds})
    return channel.build(settings, surroundings)


def rule(status, body=None, operation="*", **effect):
    answer = {"kind": "status", "status": status, **effect}
    return {
        "provider": "x",
        "operation": operation,
        "effect": answer if body is None else answer | {"body": body},
    }


def posted(sandbox):
    return [post for post in sandbox.world.posts.values() if post.provider is Provider.X]


def problem(detail="", **fields):
    return {"title": "Forbidden", "detail": detail, "type": "about:blank", **fields}


class TestPosting:
    async def test_an_accepted_post_links_to_the_account(self, x, sandbox):
        outcome = await x.send(ENVELOPE)
        [post] = posted(sandbox)
        assert outcome == Accepted(post.id, f"https://x.com/campus/status/{post.id}")
        assert (post.text, post.account) == (ENVELOPE.content.text, OWN)

    async def test_an_update_replies_to_the_post_before_it(self, x, sandbox):
        first = await x.send(ENVELOPE)
        second = await x.send(ENVELOPE._replace(content=a_content("Update 1"), thread=(first.provider_id,)))
        third = ENVELOPE._replace(
            content=a_content("Update 2"), thread=(first.provider_id, second.provider_id)
        )
        await x.send(third)
        assert [post.parent for post in posted(sandbox)] == [None, first.provider_id, second.provider_id]

    async def test_an_update_whose_reply_is_refused_is_posted_on_its_own(self, x, sandbox, play):
        first = await x.send(ENVELOPE)
        play(x_replies="none")
        outcome = await x.send(ENVELOPE._replace(content=a_content("Update"), thread=(first.provider_id,)))
        assert isinstance(outcome, Accepted)
        assert outcome.note == "posted on its own: X refused it as a reply to the one before"
        assert [(post.text, post.parent) for post in posted(sandbox)][1:] == [("Update", None)]

    async def test_an_update_to_a_deleted_post_is_posted_on_its_own(self, x, sandbox):
        outcome = await x.send(ENVELOPE._replace(thread=("1",)))
        assert isinstance(outcome, Accepted)
        assert [post.parent for post in posted(sandbox)] == [None]

    @pytest.mark.parametrize(
        "effect", [{"kind": "reset", "when": "after"}, {"kind": "status", "status": 503}]
    )
    async def test_a_reply_without_an_answer_is_not_posted_again(self, x, sandbox, play, effect):
        play({"provider": "x", "operation": "reply", "effect": effect})
        outcome = await x.send(ENVELOPE._replace(thread=("1",)))
        assert isinstance(outcome, Unknown)
        assert [seen.operation for seen in sandbox.world.requests] == ["reply"]

    async def test_a_reply_refused_for_its_words_is_not_posted_again(self, x, sandbox, play):
        play(rule(403, problem("You are not allowed to create a Tweet with duplicate content."), "reply"))
        outcome = await x.send(ENVELOPE._replace(thread=("1",)))
        assert outcome.reason is Reason.DUPLICATE
        assert len(sandbox.world.requests) == 1

    async def test_reply_and_post_share_one_deadline(self, surroundings, play):
        late = {"provider": "x", "operation": "create", "effect": {"kind": "hang", "seconds": 20}}
        slow = {"provider": "x", "operation": "reply", "effect": {"kind": "drip", "seconds": 0.5}}
        play(slow, late, x_replies="none")
        began = monotonic()
        outcome = await hurried(surroundings, 1.0).send(ENVELOPE._replace(thread=("1",)))
        assert isinstance(outcome, Unknown)
        assert monotonic() - began < 1.3

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_is_not_followed(self, x, sandbox, play, status):
        play(
            rule(status, headers={"Location": f"{sandbox.http_url}/2/tweets"})
            | {"match": {"first": 1}, "operation": "create"}
        )
        assert isinstance(await x.send(ENVELOPE), Unknown)
        assert posted(sandbox) == []
        assert len(sandbox.world.requests) == 1

    async def test_posts_at_once_come_back_with_their_own_ids(self, x, sandbox):
        envelopes = [ENVELOPE._replace(content=a_content(f"Post {n}")) for n in range(8)]
        outcomes = await asyncio.gather(*(x.send(each) for each in envelopes))
        said = {post.id: post.text for post in posted(sandbox)}
        assert [said[outcome.provider_id] for outcome in outcomes] == [e.content.text for e in envelopes]


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "body", "reason"),
        [
            (400, problem("One or more parameters to your request was invalid."), Reason.BAD_REQUEST),
            (400, problem("Your Tweet text is too long."), Reason.TOO_LONG),
            (401, {"title": "Unauthorized", "status": 401}, Reason.AUTH),
            (401, "<html>no JSON here</html>", Reason.AUTH),
            (402, problem("no", type="https://api.twitter.com/2/problems/credits"), Reason.NO_CREDIT),
            (402, "", Reason.NO_CREDIT),
            (
                403,
                problem("You are not allowed to create a Tweet with duplicate content."),
                Reason.DUPLICATE,
            ),
            (403, problem("You are not permitted to perform this action."), Reason.FORBIDDEN),
            (
                403,
                problem("Your account is suspended and is not permitted to access this feature."),
                Reason.SUSPENDED,
            ),
            (403, problem(type="https://api.x.com/2/problems/client-forbidden"), Reason.FORBIDDEN),
            (403, {"errors": [{"code": 187, "message": "Status is a duplicate."}]}, Reason.DUPLICATE),
            (403, {"errors": [{"code": 326, "message": "To protect our users"}]}, Reason.SUSPENDED),
            (403, "<html>blocked</html>", Reason.FORBIDDEN),
            (404, "not here", Reason.UNAVAILABLE),
            (429, problem(type="https://api.x.com/2/problems/usage-capped"), Reason.NO_CREDIT),
            (451, problem("Unavailable for legal reasons"), Reason.UNRECOGNISED),
        ],
    )
    async def test_a_refusal_is_told_apart(self, x, play, status, body, reason):
        play(rule(status, body))
        outcome = await x.send(ENVELOPE)
        assert isinstance(outcome, Rejected)
        assert outcome.reason is reason
        assert str(status) in outcome.detail

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (200, "[]"),
            (201, {"data": {"id": 7}}),
            (201, {"data": {"id": "seven"}}),
            (201, {"data": []}),
            (201, '{"data":{"id":"7"}'),
            (201, "[" * 20_000),
            (400, "<html>a gateway</html>"),
            (400, '[{"a":1}]'),
            (409, ""),
            (500, '{"errors":null}'),
            (503, {"data": {"id": "7"}}),
        ],
    )
    async def test_what_cannot_be_understood_is_unknown(self, x, play, status, body):
        play(rule(status, body))
        assert isinstance(await x.send(ENVELOPE), Unknown)

    async def test_a_daily_limit_is_deferred(self, x, play):
        play(rule(403, {"errors": [{"code": 185, "message": "User is over daily status update limit"}]}))
        outcome = await x.send(ENVELOPE)
        assert isinstance(outcome, Deferred)
        assert outcome.reason is Reason.RATE_LIMITED

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "+30"}, 30),
            (
                {
                    "x-rate-limit-remaining": "0",
                    "x-rate-limit-reset": "+30",
                    "x-user-limit-24hour-remaining": "0",
                    "x-user-limit-24hour-reset": "+7000",
                },
                7000,
            ),
            (
                {
                    "x-rate-limit-remaining": "0",
                    "x-rate-limit-reset": "+30",
                    "x-app-limit-24hour-remaining": "9",
                    "x-app-limit-24hour-reset": "+7000",
                },
                30,
            ),
            ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "1"}, 0),
            ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "99999999999999"}, 86_400),
            ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "+30", "Retry-After": "9"}, 9),
            ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ],
    )
    async def test_a_limit_says_when_it_opens_again(self, x, play, headers, seconds):
        play(rule(429, headers=headers))
        outcome = await x.send(ENVELOPE)
        assert isinstance(outcome, Deferred)
        assert abs(outcome.after - timedelta(seconds=seconds)) <= timedelta(seconds=2)

    @pytest.mark.parametrize("value", ["soon", "-5", "1e3", ""])
    async def test_a_wait_that_cannot_be_read_is_left_to_us(self, x, play, value):
        play(rule(429, headers={"x-rate-limit-remaining": "3", "Retry-After": value}))
        outcome = await x.send(ENVELOPE)
        assert outcome.after is None

    async def test_a_refused_signature_names_a_wrong_clock(self, sandbox, play):
        play(rule(401))
        wrong = Surroundings(clock=FrozenClock(), campus="", base_url=sandbox.http_url)
        outcome = await channel.build(some_settings(), wrong).send(ENVELOPE)
        assert "clock is" in outcome.detail

    def test_every_word_of_the_tables_leads_to_its_reason(self):
        def answer(body):
            return Answer(status=418, headers={}, body=json.dumps(body).encode())

        for phrase, reason in codes.PHRASES:
            assert codes.reason_of(answer({"detail": f"Sorry: {phrase.upper()}!"})) is reason
        for slug, reason in codes.TYPES.items():
            assert codes.reason_of(answer({"type": f"https://api.x.com/2/problems/{slug}"})) is reason
        for number, reason in codes.CODES.items():
            assert codes.reason_of(answer({"errors": [{"code": number}]})) is reason

    def test_no_refusal_is_laid_on_an_address(self):
        reasons = {*dict(codes.PHRASES).values(), *codes.TYPES.values(), *codes.CODES.values()}
        assert all(reason.scope is not Scope.ADDRESS for reason in reasons | set(codes.STATUSES.values()))

    async def test_a_providers_words_are_kept_short_and_without_secrets(self, x, play):
        play(rule(403, problem(f"bad\n\x1b[31m token {TOKEN} " + "x" * 5000)))
        outcome = await x.send(ENVELOPE)
        assert len(outcome.detail) <= 200
        assert TOKEN not in outcome.detail
        assert outcome.detail.isprintable()


class TestLookup:
    async def test_a_reply_is_found(self, x, play):
        since = datetime.now(UTC)
        first = await x.send(ENVELOPE)
        play({"provider": "x", "operation": "reply", "effect": {"kind": "reset", "when": "after"}})
        update = ENVELOPE._replace(content=a_content("Update 1"), thread=(first.provider_id,))
        assert isinstance(await x.send(update), Unknown)
        assert isinstance(await x.find(update, since), Found)

    async def test_a_rewritten_post_is_found(self, x, play):
        text = "Stay away & read campus.example.edu/a <b> https://example.edu/x/"
        data = {
            "id": "77",
            "text": "Stay away &amp; read https://t.co/AAA &lt;b&gt; https://t.co/BBB",
            "entities": {
                "urls": [
                    {"url": "https://t.co/AAA", "expanded_url": "http://campus.example.edu/a"},
                    {"url": "https://t.co/BBB", "expanded_url": "https://example.edu/x/"},
                ]
            },
        }
        play(rule(200, {"data": [data], "meta": {"result_count": 1}}, "list"))
        verdict = await x.find(ENVELOPE._replace(content=a_content(text)), NOW)
        assert verdict == Found("77", "https://x.com/campus/status/77")

    async def test_later_pages_are_read_too(self, x, sandbox, play):
        other = {"data": [{"id": "1", "text": "Other"}], "meta": {"next_token": "more"}}
        play(rule(200, other, "list") | {"match": {"first": 2}})
        await x.send(ENVELOPE)
        assert isinstance(await x.find(ENVELOPE, datetime.now(UTC)), Found)

    async def test_a_list_that_does_not_end_proves_nothing(self, x, sandbox, play):
        other = {"data": [{"id": "1", "text": "Other"}], "meta": {"next_token": "more"}}
        play(rule(200, other, "list"))
        assert isinstance(await x.find(ENVELOPE, NOW), CannotTell)
        assert len(sandbox.world.requests) == 6

    @pytest.mark.parametrize("operation", ["me", "list"])
    @pytest.mark.parametrize(
        "effect", ["html", "empty", "reset", "dead_token", {"kind": "status", "status": 200, "body": "[]"}]
    )
    async def test_a_look_up_that_fails_proves_nothing(self, x, play, operation, effect):
        play({"provider": "x", "operation": operation, "effect": effect})
        assert isinstance(await x.find(ENVELOPE, NOW), CannotTell)

    async def test_a_look_up_ends_at_the_deadline(self, surroundings, play):
        play({"provider": "x", "operation": "list", "effect": {"kind": "hang", "seconds": 20}})
        began = monotonic()
        assert isinstance(await hurried(surroundings, 0.4).find(ENVELOPE, NOW), CannotTell)
        assert monotonic() - began < 0.9

    async def test_the_own_id_is_asked_for_once(self, x, sandbox):
        await x.find(ENVELOPE, NOW)
        await x.find(ENVELOPE, NOW)
        assert [seen.operation for seen in sandbox.world.requests] == ["me", "list", "list"]


class TestRecognition:
    @given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
    def test_a_text_is_known_again_after_escaping(self, text):
        assert timeline.says({"text": html.escape(text, quote=False)}, text)

    @given(st.text("ab &<>/.\n", max_size=12), st.text("ab &<>/.\n", max_size=12))
    def test_other_words_are_not_ours(self, ours, theirs):
        same = timeline.says({"text": html.escape(theirs, quote=False)}, ours)
        plain = ["".join(t.replace("/", "").split()) for t in (ours, theirs, html.unescape(theirs))]
        assert not same or plain[0] in plain[1:]

    @pytest.mark.parametrize(
        ("said", "ours", "known"),
        [
            ("cafe\u0301 closed", "caf\u00e9 closed", True),
            ("go  now\n", "go now", True),
            ("see https://t.co/x1", "see https://example.edu/fire", True),
            ("see https://t.co/x1 now", "see https://example.edu/fire later", False),
            ("FIRE", "fire", False),
            ("FIRE. More", "FIRE.", False),
            ("a.c", "abc", False),
            ("", "FIRE", False),
        ],
    )
    def test_what_x_changes_and_what_it_does_not(self, said, ours, known):
        assert timeline.says({"text": said}, ours) is known


class TestProbe:
    async def test_good_keys_pass_every_check(self, x):
        checks = await x.check()
        assert all(check.ok for check in checks), checks
        assert [check.what for check in checks] == ["credentials", "account", "headroom", "clock"]

    async def test_a_probe_posts_nothing(self, x, sandbox):
        await x.check()
        assert [seen.operation for seen in sandbox.world.requests] == ["me"]

    @pytest.mark.parametrize(
        ("effect", "words"),
        [
            ("dead_token", "renew the token"),
            ("credits_gone", "top up"),
            ({"kind": "status", "status": 500}, ""),
        ],
    )
    async def test_keys_that_do_not_work_say_what_to_do(self, x, play, effect, words):
        play({"provider": "x", "effect": effect})
        checks = await x.check()
        assert (checks[0].what, checks[0].ok) == ("credentials", False)
        assert words in checks[0].fix

    async def test_the_keys_of_another_account_are_noticed(self, sandbox, surroundings):
        sandbox.world.declare(Provider.X, OWN, username="somebody_else")
        outside = surroundings._replace(base_url="")
        checks = await channel.build(some_settings(base_url=sandbox.http_url), outside).check()
        [account] = [check for check in checks if check.what == "account"]
        assert not account.ok
        assert "somebody_else" in account.fix

    @pytest.mark.parametrize(
        ("family", "remaining", "words"),
        [
            ("x-rate-limit", "15", "at least 20 % of the calls left, 20 % for 15 minutes"),
            ("x-rate-limit", "14", "less than 20 % of the calls left, 18 % for 15 minutes"),
            ("x-app-limit-24hour", "0", "less than 20 % of the calls left, 0 % for 24 hours"),
        ],
    )
    async def test_few_calls_left_are_told(self, x, play, family, remaining, words):
        me = {"data": {"id": OWN, "username": "campus"}}
        play(rule(200, me, headers={f"{family}-limit": "75", f"{family}-remaining": remaining}))
        [headroom] = [check for check in await x.check() if check.what == "headroom"]
        assert (headroom.ok, headroom.detail) == (words.startswith("at least"), words)
        assert headroom.ok is not bool(headroom.fix)

    @pytest.mark.parametrize("told", [("0", "0"), ("75", "many"), ("", "3"), ("\u0667", "3")])
    def test_what_cannot_be_read_tells_nothing(self, told):
        headers = dict(zip(("x-rate-limit-limit", "x-rate-limit-remaining"), told, strict=True))
        assert health.headroom(Answer(status=200, headers=headers, body=b""), 20) == ()

    @pytest.mark.parametrize(
        ("level", "fine"), [("read", False), ("read-write", True), ("read-write-directmessages", True)]
    )
    async def test_a_read_only_token_is_noticed(self, x, play, level, fine):
        me = {"data": {"id": OWN, "username": "campus"}}
        play(rule(200, me, headers={"x-access-level": level}))
        [permission] = [check for check in await x.check() if check.what == "permission"]
        assert permission.ok is fine

    async def test_a_wrong_clock_is_noticed(self, sandbox):
        wrong = Surroundings(clock=FrozenClock(), campus="", base_url=sandbox.http_url)
        [clock] = [c for c in await channel.build(some_settings(), wrong).check() if c.what == "clock"]
        assert not clock.ok


class TestRetracting:
    async def test_a_post_that_is_gone_counts_as_deleted(self, x, play):
        play(rule(404))
        assert await x.retract("77") == Accepted("77")

    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (403, None, Rejected),
            (429, None, Deferred),
            (500, None, Unknown),
            (404, "<html>", Rejected),
            (200, "{}", Unknown),
        ],
    )
    async def test_a_refused_deletion_is_told(self, x, play, status, body, kind):
        play(rule(status, body))
        assert isinstance(await x.retract("77"), kind)


class TestBuilding:
    def test_it_says_what_it_can(self, x):
        can = x.capabilities
        assert (can.feeds, can.shape.unit, can.shape.limit) == ((FEED,), Unit.WEIGHTED, 280)
        assert can.shape.slots == ("post", "message")
        assert isinstance(x, Lookup)
        assert isinstance(x, Probe)
        assert isinstance(x, Retractable)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"account": "@campus"},
            {"account": ""},
            {"consumer_key": "text"},
            {"deadline_s": 0},
            {"colour": "red"},
        ],
    )
    def test_wrong_settings_are_refused(self, wrong):
        with pytest.raises(ValidationError):
            some_settings(**wrong)
