"""Every kind of message, of every template, with texts as long as they get, against the schema of OASIS."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from alerting.channels.base import Capabilities
from alerting.errors import TemplateProblem
from alerting.ledger.codec import alert_from, alert_text
from alerting.ledger.rows import AlertRecord, Lane
from alerting.model.alert import Evidence, MsgType, Status
from alerting.model.audience import AddressKind
from alerting.model.message import Shape, Unit
from alerting.publishing.cap import Issuer, cap, earlier_of, wording_of
from alerting.rendering.store import TemplateStore
from alerting.rendering.template import VariableType
from alerting.service.house import House, Wired
from alerting.service.incident import Follow, Story, follow_up
from alerting.service.opening import alert_of
from alerting.service.planning import Past, Request, make_plan
from alerting.testing.builders import an_actor
from tests.publishing.cap_rules import problems

FOLDER = Path(__file__).parents[2] / "templates"
TEMPLATES = {template.name: template for template in TemplateStore(FOLDER).all()}
BEGINNINGS = [name for name, template in TEMPLATES.items() if template.msg_type is MsgType.ALERT]
#: What may be typed at all: no control characters, no blanks but the plain one.
LETTERS = st.one_of(st.just(" "), st.sampled_from("<&>\"'é"), st.characters(exclude_categories=["C", "Z"]))
NIGHT = datetime(2026, 9, 1, 6, 14, 3, 250_000, tzinfo=UTC)
NOW = Issuer(sender="somebody.else", name="Renamed", area="Renamed", zone=ZoneInfo("Asia/Kolkata"))
#: What a variable of a type takes besides words.
FITTING = {VariableType.TIME: st.just("3:20pm"), VariableType.NUMBER: st.just("12")}


def a_wire(name, slots, *, subject=False, html=False):
    class Wire:
        capabilities = Capabilities(
            address_kind=AddressKind.EMAIL,
            shape=Shape(unit=Unit.CHARACTERS, limit=100_000, slots=slots, subject=subject, html=html),
            rate_per_s=1.0,
            in_flight=1,
            deadline=timedelta(seconds=5),
        )

    channel = Wire()
    channel.name = name
    return Wired(name=name, kind=name, channel=channel)


HOUSE = House(
    campus="North Shore University",
    source="NSU ALERT",
    zone=ZoneInfo("America/New_York"),
    link="https://alerts.example.edu",
    channels={
        "sms": a_wire("sms", ("sms", "message")),
        "email": a_wire("email", ("email", "message"), subject=True, html=True),
    },
    templates=TemplateStore(FOLDER),
    audiences={},
    sender="alerts@example.edu",
)


def opened(request, past, at):
    """The record an alert leaves, as the ledger gives it back; nothing is sent."""
    plan = make_plan(HOUSE, request, as_of=at, past=past)
    alert = alert_of(HOUSE, plan, actor=an_actor(), run_key="", at=at)
    lanes = tuple(Lane(channel=lane.channel, kind=lane.kind, content=lane.content) for lane in plan.lanes)
    return AlertRecord(alert=alert_from(alert_text(alert)), lanes=lanes, digest=plan.digest, accepted_at=at)


@st.composite
def words(draw, template):
    """Whatever an officer may type into a template, and often as much of it as there is room for."""
    found = {}
    for variable in template.variables.values():
        if variable.choices:
            found[variable.name] = draw(st.sampled_from(variable.choices))
        else:
            room = variable.max_length or 400
            anything = st.text(LETTERS, min_size=draw(st.sampled_from([1, room])), max_size=room)
            found[variable.name] = draw(FITTING.get(variable.type, anything))
    return found


def written(record, incident=()):
    text = cap(record, earlier_of(record, incident), NOW, [wording_of(record)])
    assert problems(text) == []
    return text


@pytest.mark.parametrize("name", BEGINNINGS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data())
def test_every_beginning_and_whatever_follows_it_is_valid(name, data):
    practice = data.draw(st.booleans())
    evidence = data.draw(st.sampled_from(["", *Evidence]))
    past = Past(people={"sms": 3, "email": 3})
    try:
        request = Request(
            template=name, values=data.draw(words(TEMPLATES[name])), practice=practice, evidence=evidence
        )
        incident = [opened(request, past, NIGHT)]
        for minutes, (follow, template) in enumerate(data.draw(st.permutations(FOLLOWING)), start=1):
            told = Story(id=incident[0].alert.id, alerts=tuple(incident), owner="lee")
            values = data.draw(words(TEMPLATES[template]))
            request = follow_up(HOUSE, told, follow, template=template, values=values)
            earlier = tuple(record.alert.id for record in incident)
            then = past._replace(number=len(incident) + 1, supersedes=earlier)
            incident.append(opened(request, then, NIGHT + timedelta(minutes=minutes)))
    except TemplateProblem:
        reject()  # what may not be said at all is refused long before it could be written
    for record in incident:
        text = written(record, incident)
        real = TEMPLATES[name].status is Status.ACTUAL and not practice
        assert (b"<status>Actual" in text) == real
        assert text.count(b"<info>") == 1


FOLLOWING = [
    (Follow.UPDATE, "update"),
    (Follow.UPDATE, "correction"),
    (Follow.CORRECT, "false-alarm"),
    (Follow.RECALL, "sent-in-error"),
    (Follow.ALL_CLEAR, "all-clear"),
]


def test_every_starter_is_tried_above():
    assert {*BEGINNINGS, *(template for _, template in FOLLOWING)} == set(TEMPLATES)


def test_what_was_said_keeps_who_said_it_when_and_in_which_words_whatever_the_settings_say_later():
    first = opened(
        Request(template="gas-leak", values={"place": "Baker Hall"}), Past(people={"sms": 3}), NIGHT
    )
    text = written(first).decode()
    for kept in (
        "<sender>alerts@example.edu</sender>",
        "<sent>2026-09-01T02:14:03-04:00</sent>",
        "<senderName>North Shore University</senderName>",
        "<language>en</language>",
    ):
        assert kept in text
    told = Story(id=first.alert.id, alerts=(first,), owner="lee")
    request = follow_up(HOUSE, told, Follow.ALL_CLEAR)
    past = Past(people={"sms": 3}, number=2, supersedes=(first.alert.id,))
    last = opened(request, past, NIGHT + timedelta(hours=1))
    assert f"<references>alerts@example.edu,{first.alert.id},2026-09-01T02:14:03-04:00</references>" in (
        written(last, [first, last]).decode()
    )


def test_a_record_of_an_older_version_is_written_with_the_settings_of_today():
    first = opened(
        Request(template="gas-leak", values={"place": "Baker Hall"}), Past(people={"sms": 3}), NIGHT
    )
    older = first._replace(alert=first.alert._replace(issuer={}, language=""))
    text = written(older).decode()
    assert "<sender>somebody.else</sender>" in text
    assert "<language>en-US</language>" in text
