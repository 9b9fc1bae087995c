"""What the people on call are told: once, by two channels, below every alert, until somebody answers."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from oncall_scene import CHIEF, KIM, LEE, LEE_AND_PAT, NOON, SAM, Scene, the_channels

from alerting.authority.aftermath import times_told
from alerting.callout import desk_of, run_callout, waiting
from alerting.clock import micros
from alerting.errors import UnknownAlert
from alerting.ledger.audit import first_break
from alerting.oncall.notice import ACKED, LIFETIME, PRIORITY, Concern, Kind
from alerting.service.incident import close, story
from alerting.service.recall import note_trouble


def close_incident(scene, alert_id="L-7K2QXD"):
    at = scene.clock.now()
    scene.do(
        lambda ledger: close(ledger, story(ledger, alert_id), reason="nothing was found", actor=LEE, at=at)
    )


# -- overdue


def test_an_overdue_update_is_told_once_to_who_is_on_duty_with_the_commands_to_type(scene):
    scene.incident()
    assert scene.look(after=15 * 60) == []  # promised for now, and it is not after now yet
    [told] = scene.look(after=1)
    assert (told.people, told.messages) == (1, 2)
    [(alert, contents, to)] = scene.notices()
    assert to == {"sms-main": ["+14135550101"], "email-main": ["kim@example.edu"]}
    for content in contents.values():
        for words in ("L-7K2QXD", "Gas leak, Baker Hall", "promised 12:15"):
            assert words in content.text
        for command in ("alert update L-7K2QXD", "alert all-clear L-7K2QXD", f"alert ack {alert.id}"):
            assert command in content.text
    assert contents["sms-main"].size <= 2
    assert contents["email-main"].subject == "[on-call] NSU ALERT: update overdue: L-7K2QXD, Gas leak"
    assert scene.look(after=60) == []


def test_nothing_but_people_is_told_no_all_clear_is_sent_and_the_incident_stays_open(scene):
    scene.incident()
    scene.look(after=15 * 60 + 1)
    [record] = scene.ledger.alerts()
    assert record.alert.id == "L-7K2QXD"
    assert story(scene.ledger, "L-7K2QXD").closed_at is None


def test_the_next_promise_that_is_not_kept_is_told_anew(scene):
    scene.incident()
    scene.look(after=15 * 60 + 1)
    later = scene.incident("L-UPDATE", incident="L-7K2QXD", references=("L-7K2QXD",))
    assert scene.look(after=60) == []
    assert len(scene.look(after=15 * 60)) == 1
    assert len(scene.notices()) == 2
    assert later.incident == "L-7K2QXD"


def test_an_incident_that_was_closed_or_a_drills_is_nobodys_overdue(scene):
    scene.incident()
    scene.incident("D-7K2QXD")
    close_incident(scene)
    assert scene.look(after=3600) == []


def test_what_was_mended_between_the_look_and_the_commit_is_not_told(scene):
    scene.incident()
    scene.clock.advance(timedelta(minutes=16))
    duty, [concern], _ = scene.callout._found(scene.clock.now())
    close_incident(scene)
    first = scene.callout._first(desk_of(scene), concern, duty.rota.steps(NOON))
    assert asyncio.run(first) is None
    assert scene.notices() == []


def test_the_owner_is_told_besides_who_is_on_duty(tmp_path):
    scene = Scene(tmp_path)
    scene.incident(owner="lee")
    roster = (
        scene.roster.read_text()
        .replace("lee: {name: Lee Ode", "lee-ode: {name: lee")
        .replace("[lee,", "[lee-ode,")
    )
    scene.roster.write_text(roster.replace("[chief, lee]", "[chief]"))
    scene.look(after=15 * 60 + 1)
    assert scene.told() == [sorted([*KIM, "+14135550102", "lee@example.edu"])]
    scene.close()


# -- exactly once


def test_two_looks_at_once_and_a_restart_tell_it_once(scene):
    scene.incident()
    scene.clock.advance(timedelta(minutes=16))
    second = scene.restarted()

    async def both():
        return await asyncio.gather(scene.callout.look(), second.callout.look())

    opened = asyncio.run(both())
    assert sorted(len(told) for told in opened) == [0, 1]
    third = scene.restarted()
    assert third.look(after=60) == []
    assert len(scene.notices()) == 1
    assert first_break(scene.ledger.audit()) is None
    second.close()
    third.close()


def test_what_happened_long_before_anybody_looked_is_no_news(scene):
    scene.act("drill.missed", "monthly", planned="2026-09-02T11:00:00")
    scene.act("notice.wanted", "L-7K2QXD", kind="break-glass", text="lee sent alone", to="approvers")
    assert scene.look(after=7 * 3600) == []


# -- escalation


def test_without_an_answer_the_next_people_are_told_until_there_are_none_left(scene):
    scene.incident(minutes=1)
    scene.look(after=61)
    assert scene.look(after=299) == []
    assert len(scene.look(after=1)) == 1
    assert len(scene.look(after=300)) == 1
    for _ in range(5):
        assert scene.look(after=3600) == []
    assert scene.told() == [KIM, LEE_AND_PAT, CHIEF]
    first, *further = [alert for alert, _, _ in scene.notices()]
    assert {alert.incident for alert in further} == {first.id}
    assert all(f"alert ack {first.id}" in c["sms-main"].text for _, c, _ in scene.notices())


def test_an_answer_stops_it_also_one_that_comes_between_look_and_commit(scene):
    scene.incident(minutes=1)
    [told] = scene.look(after=61)
    scene.clock.advance(timedelta(minutes=6))
    duty, _, [(notice, concern)] = scene.callout._found(scene.clock.now())
    scene.act(ACKED, told.id)
    groups = duty.rota.steps(NOON)
    step = scene.callout._next(desk_of(scene), notice, concern, groups)
    assert asyncio.run(step) is None
    assert scene.look(after=3600) == []
    assert scene.told() == [KIM]


def test_who_is_told_late_because_everything_stood_still_has_the_whole_time_to_answer(scene):
    """The process was stopped, or its ledger did not answer, between the look and the commit."""
    scene.incident(minutes=1)
    scene.callout.writer = StandingStill(scene, timedelta(minutes=6))
    [told] = scene.look(after=61)
    scene.callout.writer = scene.writer
    notice = scene.ledger.alert(told.id).alert
    assert notice.expires_at == scene.clock.now() + LIFETIME
    assert scene.look(after=299) == []
    assert len(scene.look(after=1)) == 1
    assert scene.told() == [KIM, LEE_AND_PAT]


def test_trouble_that_came_back_is_not_taken_for_over_by_who_stood_still(scene):
    """It knows of the first time only; the second one still waits for somebody's answer."""
    now = {"trouble": "0", "over": []}

    def further(_):
        trouble = Concern(kind=Kind.READY, topic="ready", mark=now["trouble"], title="not ready", what="NO")
        return [trouble] if now["trouble"] else []

    scene.callout.further, scene.callout.ends = further, lambda _: now["over"]
    scene.look()
    late = scene.restarted()
    late.look()
    now.update(trouble="", over=["ready"])
    scene.look()
    now.update(trouble="1", over=[])
    [second] = scene.look()

    asyncio.run(late.callout._over("ready", scene.clock.now()))
    assert [notice.first for notice in waiting(scene.ledger)] == [second.id]
    late.close()


class StandingStill:
    """A writer before whose every change time passes."""

    def __init__(self, scene, span):
        self._scene, self._span = scene, span

    async def do(self, change):
        self._scene.clock.advance(self._span)
        return await self._scene.writer.do(change)


def test_an_update_stops_the_escalation_as_well(scene):
    scene.incident(minutes=1)
    scene.look(after=61)
    close_incident(scene)
    assert scene.look(after=3600) == []


def test_with_nobody_on_duty_the_next_ones_are_told_and_an_empty_roster_is_logged(scene):
    scene.incident()
    scene.look(after=10 * 3600)  # 22:00 on campus
    assert scene.told() == [LEE_AND_PAT]
    scene.channels = [one for one in scene.channels if one.name == "x-campus"]
    scene.act("notice.wanted", "A-1", kind="other", text="hello", to="on-call")
    assert scene.look() == []
    assert {"kind": "other"} in scene.log.named("notice.unheard")


# -- below every alert, and no alert itself


def test_a_notice_is_in_no_list_of_alerts_and_cannot_be_followed(scene):
    scene.incident()
    [told] = scene.look(after=15 * 60 + 1)
    assert [record.alert.id for record in scene.ledger.alerts()] == ["L-7K2QXD"]
    assert scene.ledger.alert(told.id).alert.priority == PRIORITY
    with pytest.raises(UnknownAlert, match="a notice to the people on call"):
        story(scene.ledger, told.id)


def test_an_alert_goes_first_even_when_the_notice_was_there_before(scene):
    scene.act("notice.wanted", "A-1", kind="other", text="hello", to="on-call")
    scene.look()
    scene.incident()
    at, taken = micros(scene.clock.now()), []
    for prefix in ("L-", "N-"):
        batch = scene.do(
            lambda ledger: ledger.lease("sms-main", owner="test", at=at, until=at + 10**6, skip=taken)
        )
        taken.append(batch.id)
        assert batch.alert_id[:2] == prefix


def test_it_goes_by_personal_channels_for_real_messages_only(scene):
    scene.act("notice.wanted", "A-1", kind="other", text="hello", to="on-call")
    scene.look()
    [(_, contents, _)] = scene.notices()
    assert list(contents) == ["sms-main", "email-main"]


def test_the_configured_channels_are_used_instead_and_never_a_public_feed(tmp_path):
    scene = Scene(tmp_path, channels=("email-main", "x-campus"))
    scene.act("notice.wanted", "A-1", kind="other", text="hello", to="on-call")
    scene.look()
    [(_, contents, _)] = scene.notices()
    assert list(contents) == ["email-main"]
    scene.close()


def test_somebody_who_replied_stop_is_told_by_the_other_channel(scene):
    from alerting.model.receipt import Receipt, ReceiptStatus

    said = Receipt(
        channel="sms-main",
        status=ReceiptStatus.OPTED_OUT,
        at=scene.clock.now(),
        address="phone:+14135550101",
    )
    scene.do(lambda ledger: ledger.apply([said], at=micros(scene.clock.now())))
    scene.act("notice.wanted", "A-1", kind="other", text="hello", to="on-call")
    scene.look()
    assert scene.told() == [["kim@example.edu"]]


# -- what else is told


def test_what_another_part_asks_for_goes_to_whom_it_names_and_is_told_once(scene):
    scene.act(
        "notice.wanted", "A-4K2Q", kind="approval-asked", text="lee asks: Shelter, Baker Hall", to="approvers"
    )
    scene.act(
        "notice.wanted", "L-7K2QXD", kind="break-glass", text="lee sent\nalone: \x1b[2J fire", to="approvers"
    )
    assert len(scene.look()) == 2
    assert scene.look(after=5) == []
    [(_, asked, to), (_, broken, _)] = scene.notices()
    assert to == {"sms-main": ["+14135550102"], "email-main": ["chief@example.edu", "lee@example.edu"]}
    assert "alert approve A-4K2Q" in asked["sms-main"].text
    assert "\x1b" not in broken["email-main"].text + broken["email-main"].subject
    assert "\n" not in broken["email-main"].subject


def test_whoever_did_it_is_not_told_of_their_own_doing(scene):
    scene.act(
        "notice.wanted", "L-7K2QXD", kind="alert-sent", text="lee sent L-7K2QXD", to="approvers", actor=LEE
    )
    assert len(scene.look()) == 1
    assert scene.told() == [CHIEF]
    assert scene.look(after=3600) == []


@pytest.mark.parametrize(
    ("kind", "verb"), [("alert-sent", "cancel"), ("break-glass", "cancel"), ("approval-asked", "approve")]
)
def test_however_long_the_place_what_can_be_done_about_it_is_in_the_text(tmp_path, kind, verb):
    scene = Scene(tmp_path)
    scene.channels = the_channels(segments=1)
    words = f"sam sent L-7K2QXD: Gas leak, {'Baker Hall, north wing ' * 9}"
    scene.act("notice.wanted", "L-7K2QXD", kind=kind, text=words, to="approvers")
    scene.look()
    [(_, contents, _)] = scene.notices()
    assert f"alert {verb} L-7K2QXD" in contents["sms-main"].text
    scene.close()


def test_a_recall_that_is_stuck_is_told_until_it_is_finished(scene):
    at = micros(scene.clock.now())
    for _ in range(2):
        scene.do(lambda ledger: note_trouble(ledger, "L-7K2QXD", "OSError", at=at))
    assert len(scene.look()) == 1
    [(_, contents, _)] = scene.notices()
    assert "RECALL STUCK: for L-7K2QXD" in contents["sms-main"].text
    assert "alert status L-7K2QXD" in contents["sms-main"].text
    scene.look(after=301)
    assert scene.told() == [KIM, LEE_AND_PAT], "nobody answered, so the next are told"
    scene.act("alert.taken_back", "L-7K2QXD", asked=3)
    assert scene.look(after=301) == []
    assert waiting(scene.ledger) == []


def test_a_request_of_a_quarter_of_an_hour_ago_is_no_news(scene):
    scene.act("notice.wanted", "A-4K2Q", kind="approval-asked", text="sam asks", to="approvers", actor=SAM)
    assert scene.look(after=901) == []


def test_the_approvers_of_the_operators_file_are_asked_where_the_roster_names_none(scene):
    scene.roster.write_text(scene.roster.read_text().replace("approvers: [chief, lee]\n", ""))
    people = "people:\n  pat-doe: {name: Pat Doe, roles: approver}\n  kim: {roles: sender}\n"
    (scene.folder / "operators.yaml").write_text(f"version: 1\n{people}")
    scene.act("notice.wanted", "A-4K2Q", kind="approval-asked", text="sam asks", to="approvers", actor=SAM)
    assert len(scene.look()) == 1
    assert scene.told() == [["+14135550103"]]


def test_a_review_nobody_made_in_time_is_told_once_to_who_is_on_duty_and_one_that_was_made_is_not(scene):
    due = scene.clock.now() + timedelta(hours=23)
    for alert_id in ("L-7K2QXD", "L-FINE00"):
        scene.act("review.owed", "reviews", alert=alert_id, reason="alone on shift", due_at=micros(due))
    assert scene.look(after=23 * 3600) == []
    scene.act("review.done", "reviews", alert="L-FINE00", finding="it was right", actor=LEE)
    assert len(scene.look(after=1)) == 1
    assert scene.look(after=600) == scene.restarted().look(after=600) == []
    [(_, contents, to)] = scene.notices()
    assert "REVIEW OVERDUE: sam sent L-7K2QXD alone" in contents["sms-main"].text
    assert "alert review L-7K2QXD" in contents["sms-main"].text
    assert to == {"sms-main": ["+14135550101"], "email-main": ["kim@example.edu"]}


def test_a_review_that_stays_overdue_is_told_every_day_to_who_can_make_it_until_somebody_does(scene):
    due = scene.clock.now()
    scene.act("review.owed", "reviews", alert="L-7K2QXD", reason="alone", due_at=micros(due), actor=LEE)
    day = 24 * 3600
    assert [len(scene.look(after=after)) for after in (1, day - 2, 2, 60, day, 60)] == [1, 0, 1, 0, 1, 0]
    assert scene.told() == [KIM, CHIEF, CHIEF], "an approver, and never who broke the glass"
    texts = [contents["email-main"].text for _, contents, _ in scene.notices()]
    assert ["within a day" in texts[0], "for 2 days" in texts[1], "for 3 days" in texts[2]] == [True] * 3
    assert waiting(scene.ledger) == [], "nobody need answer"
    scene.act("review.done", "reviews", alert="L-7K2QXD", finding="it was right", actor=SAM)
    assert scene.look(after=day) == []


@pytest.mark.parametrize(
    ("due", "first"),
    [("09:00", "31T09:00"), ("20:59", "31T20:59"), ("21:00", "32T09:00"), ("02:00", "31T09:00")],
)
def test_nobody_is_woken_for_a_review_and_the_hour_stays_when_the_clocks_are_set_back(due, first):
    zone = ZoneInfo("America/New_York")
    at = datetime.fromisoformat(f"2026-10-31T{due}").replace(tzinfo=zone).astimezone(UTC)
    day, hour = first.split("T")
    for days in range(3):
        local = datetime.fromisoformat(f"2026-10-01T{hour}") + timedelta(days=int(day) - 1 + days)
        told = local.replace(tzinfo=zone).astimezone(UTC)
        assert times_told(at, told, zone) == days
        assert times_told(at, told + timedelta(seconds=1), zone) == days + 1


def test_a_dead_channel_is_told_at_once_and_again_only_after_it_was_mended(scene):
    scene.signals.hear("breaker.opened", {"channel": "sms-main", "reason": "auth"})
    assert scene.look() == []
    scene.signals.hear("breaker.downed", {"channel": "sms-main", "reason": "auth"})
    assert len(scene.look()) == 1
    assert scene.restarted().look(after=5) == scene.look(after=5) == []
    [(_, contents, _)] = scene.notices()
    assert "sms-main: credentials refused; renew the token or password" in contents["email-main"].text
    scene.signals.hear("breaker.closed", {"channel": "sms-main"})
    scene.look(after=5)
    scene.signals.hear("breaker.downed", {"channel": "sms-main", "reason": "auth"})
    assert scene.look(after=60) == []  # the same trouble
    assert len(scene.look(after=15 * 60)) == 1


def test_a_breaker_that_stays_open_is_told_after_a_minute_and_one_that_closes_is_not(scene):
    scene.signals.hear("breaker.opened", {"channel": "sms-main", "reason": "unconnected"})
    assert scene.look(after=59) == []
    scene.signals.hear("breaker.closed", {"channel": "sms-main"})
    assert scene.look(after=5) == []
    scene.signals.hear("breaker.opened", {"channel": "sms-main", "reason": "unconnected"})
    scene.signals.hear("breaker.opened", {"channel": "sms-main", "reason": "timeout"})
    assert len(scene.look(after=60)) == 1


def test_an_alert_that_a_channel_refused_to_everybody_is_told(scene):
    scene.incident()
    scene.play("L-7K2QXD", refuse=True)
    assert len(scene.look(after=1)) == 1
    [(_, contents, _)] = scene.notices()
    assert "ALL REFUSED: sms-main took none of 3 of L-7K2QXD" in contents["sms-main"].text
    scene.incident("L-FINE00")
    scene.play("L-FINE00")
    assert scene.look(after=1) == []


def test_a_missed_drill_is_told_and_waits_for_no_answer(scene):
    scene.act("drill.missed", "monthly", planned="2026-09-02T11:00:00", why="nobody was there")
    assert len(scene.look()) == 1
    [(_, contents, _)] = scene.notices()
    assert "DRILL MISSED: monthly, planned for 2026-09-02T11:00" in contents["sms-main"].text
    assert "alert ack" not in contents["sms-main"].text
    assert scene.look(after=3600) == []


def test_a_drill_that_was_too_slow_is_told_at_once_with_what_was_expected(scene):
    scene.drilled(accepted_95_s=20.0)
    assert len(scene.look()) == 1
    [(_, contents, _)] = scene.notices()
    text = contents["email-main"].text
    assert "DRILL FAILED: monthly D-7K2QXD: 95 % accepted: 30.0 s, expected within 20 s" in text
    assert "alert drill history monthly" in text
    assert scene.look(after=3600) == []


def test_a_drill_whose_failures_receipts_may_still_mend_is_told_when_they_had_their_time(scene):
    scene.drilled(failures_percent=2.0)
    assert scene.look(after=119) == []
    assert len(scene.look(after=1)) == 1
    assert "failed or uncertain: 5.0 %" in scene.notices()[0][1]["email-main"].text


def test_a_drill_that_did_what_was_expected_is_no_news(scene):
    scene.drilled(accepted_95_s=60.0, failures_percent=5.0)
    assert scene.look(after=121) == []


@pytest.mark.parametrize("place", ["Łódź Hall " * 4, "x" * 300, "\N{POLICE CARS REVOLVING LIGHT}" * 40])
def test_whatever_the_place_the_text_fits_and_keeps_its_commands(tmp_path, place):
    scene = Scene(tmp_path)
    scene.channels = the_channels(segments=2)
    scene.incident(place=place)
    scene.look(after=15 * 60 + 1)
    [(alert, contents, _)] = scene.notices()
    assert contents["sms-main"].size <= 2
    assert alert.id in contents["sms-main"].text
    scene.close()


async def test_a_look_for_notices_that_fails_ends_nothing_that_runs_beside_it(scene):
    """Whatever the error is: it is logged by its kind, for its words may name somebody."""
    stop, looked = asyncio.Event(), []

    async def look():
        looked.append(1)
        if len(looked) > 1:
            stop.set()
        raise KeyError("ann@example.edu")

    scene.callout = SimpleNamespace(app=scene, look=look)
    async with asyncio.timeout(10):
        await run_callout(scene.callout, stop, look_s=0.01)
    assert scene.log.named("notice.failed") == [{"why": "KeyError"}] * 2
