"""From a template and an officer's words to a plan: rendered once, fitted, counted; nothing opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from alerting.audience.roster import Counts
from alerting.broadcast.plan import Crowd, LanePlan, Plan, Subject, warnings_of
from alerting.errors import AudienceProblem, PlanRefused, Problem, UsageProblem
from alerting.model.alert import Evidence, MsgType, Status
from alerting.model.message import Message
from alerting.named import NamedTuple
from alerting.rendering.core import CoreWords
from alerting.rendering.fit import fit, slots_read
from alerting.rendering.render import render
from alerting.rendering.template import Template
from alerting.service.house import House, Wired


class Request(NamedTuple):
    """What an officer asked for, in their own words."""

    template: str
    values: Mapping[str, str] = MappingProxyType({})
    audience: str = ""
    channels: tuple[str, ...] = ()
    incident: str = ""
    evidence: str = ""  #: an ``Evidence``, where the officer gave one
    next_minutes: int = 15  #: when people hear again
    follows: bool = False  #: replaces the incident's earlier messages, for the people they were for
    practice: bool = False  #: send as an exercise, whatever the template says
    reached_only: bool = False  #: a follow-up for those the earlier message reached, not all it was for
    delete_posts: bool = False  #: with ``reached_only``: wrong posts go once the correction is out
    joined: bool = False  #: a follow-up also for people who are on the list only since
    without: tuple[str, ...] = ()  #: channels to leave out, whoever would use them
    clock: Mapping[str, str] = MappingProxyType({})  #: of the decision: name to ISO instant


class Past(NamedTuple):
    """What a plan must know of what went before.

    ``people`` are addresses by channel of the incident's first alert: a follow-up goes to exactly
    those. None for a first alert, which goes to its audience.
    """

    number: int = 1
    audience_size: int | None = None
    people: Mapping[str, int] | None = None
    supersedes: tuple[str, ...] = ()
    audience: str = ""
    evidence: str = ""  #: how sure the incident's newest message was, where it said


def make_plan(house: House, request: Request, *, as_of: datetime, past: Past) -> Plan:
    """Render, fit and count.

    ``as_of`` is the instant the message says it was written, aware.

    Raises:
        TemplateProblem: unknown template, missing or unusable values.
        PlanRefused: a text does not fit a channel, or no channel is left.
        UsageProblem: unknown channel or audience.
        AudienceProblem: the list cannot be read.
    """
    template = house.templates.find(request.template)
    subject = _subject(template, request)
    if subject.live and subject.msg_type is not MsgType.ALERT and not request.follows:
        raise PlanRefused(_nothing_to_follow(template))
    core = CoreWords(
        source=house.source,
        time=house.clock_words(as_of),
        number=f"#{past.number}" if past.number > 1 else "",
        link=house.link,
        next_update=house.clock_words(as_of + timedelta(minutes=request.next_minutes)),
        evidence=_evidence(request).words if request.evidence else "",
        status=subject.status,
    )
    asked = [name for name in request.channels or past.people or () if name not in request.without]
    chosen = _chosen(house, template, asked, live=subject.live, without=request.without)
    channels = _with_fallbacks(house, chosen, without=request.without)
    shapes = [wired.channel.capabilities.shape for wired in channels]
    message = render(template, request.values, core=core, only=slots_read(template, shapes))
    audience = request.audience or past.audience or house.default_audience
    counts = _counts(house, audience, chosen) if past.people is None else _same_people(past.people)
    lanes = _lanes(
        channels, chosen, message, template.title, counts=counts, people=past.people, without=request.without
    )
    if past.people is None and not any(lane.deliveries for lane in lanes):
        raise PlanRefused(_to_nobody(audience, lanes))
    crowd = Crowd(
        audience=audience,
        recipients=counts.recipients,
        addresses=counts.addresses,
        refused=counts.refused,
        examples=counts.examples,
        before=None if _public(chosen) else past.audience_size,
    )
    return Plan(
        subject=subject,
        lanes=lanes,
        crowd=crowd,
        as_of=as_of,
        incident=request.incident,
        number=past.number,
        supersedes=past.supersedes,
        reached_only=request.reached_only,
        delete_posts=request.delete_posts,
        joined=request.joined,
        clock=request.clock,
        warnings=(*_notices(request), *_unsaid(request, subject, past), *warnings_of(crowd, lanes)),
    )


def _evidence(request: Request) -> Evidence:
    try:
        return Evidence(request.evidence)
    except ValueError as error:
        what = f"there is no evidence level {request.evidence!r}"
        fix = f"write one of {', '.join(Evidence)}"
        raise UsageProblem(Problem(where="--evidence", what=what, fix=fix)) from error


def _nothing_to_follow(template: Template) -> Problem:
    return Problem(
        where=template.path,
        what="this template follows an earlier alert; alone it would begin a new one",
        fix="use `alert update ID`, `alert all-clear ID`, `alert correct ID` or `alert recall ID`",
    )


def _to_nobody(audience: str, lanes: Sequence[LanePlan]) -> Problem:
    names = ", ".join(lane.channel for lane in lanes if not lane.fallback_only)
    return Problem(
        where=f"audience {audience}",
        what=f"nobody in it has an address for {names}; nothing was sent",
        fix="name another list with --to, or other channels with --channels",
    )


def _same_people(people: Mapping[str, int]) -> Counts:
    return Counts(recipients=max(people.values(), default=0), refused=0, duplicates=0)


def _subject(template: Template, request: Request) -> Subject:
    values = request.values
    status = Status.EXERCISE if request.practice and template.status is Status.ACTUAL else template.status
    place = next((name for name, variable in template.variables.items() if variable.type == "place"), "")
    return Subject(
        template=template.name,
        title=template.title,
        variables=dict(values),
        status=status,
        msg_type=template.msg_type,
        alert_class=template.alert_class,
        category=template.category,
        severity=template.severity,
        urgency=template.urgency,
        certainty=_evidence(request).certainty if request.evidence else template.certainty,
        evidence=request.evidence,
        written=template.digest,
        free_text=tuple(name for name, variable in template.variables.items() if variable.free_text),
        response_type=template.response_type,
        language=template.languages[0] if template.languages else "",
        due_after=timedelta(minutes=request.next_minutes),
        lifetime=template.lifetime,
        confirm_word=values.get(place, "") or template.name,
    )


def _notices(request: Request) -> Iterator[str]:
    yield from map(_left_out, request.without)
    if request.delete_posts:
        yield "the wrong posts are DELETED once the correction stands beside them; the record keeps both"


def _unsaid(request: Request, subject: Subject, past: Past) -> Iterator[str]:
    """Say it when an update lets a word like UNCONFIRMED drop: people would take the report for a fact."""
    if subject.msg_type is MsgType.UPDATE and past.evidence and not request.evidence:
        word = Evidence(past.evidence).words
        yield (
            f"the message before said {word}; this one does not say how sure it is:"
            f" --evidence {past.evidence}, or another"
        )


def _left_out(channel: str) -> str:
    return f"{channel} is left out: nobody is told there"


def _chosen(
    house: House, template: Template, asked: Sequence[str], *, live: bool, without: Sequence[str]
) -> list[Wired]:
    """Return the channels to use: those asked for, or the template's, or the campus's own."""
    names = asked or template.channels or house.default_channels or tuple(house.channels)
    chosen = [house.wired(name) for name in dict.fromkeys(names) if name not in without]
    if asked:
        for wired in chosen:
            if not wired.carries(live=live):
                raise UsageProblem(_wrong_mode(wired, live=live))
    chosen = [wired for wired in chosen if wired.carries(live=live)]
    if not chosen:
        word = "real alerts" if live else "drills"
        raise PlanRefused(
            Problem(where="channels.yaml", what=f"no channel carries {word}", fix="set mode: both on one")
        )
    return chosen


def _wrong_mode(wired: Wired, *, live: bool) -> Problem:
    return Problem(
        where=f"channels.yaml: {wired.name}",
        what=f"this channel carries {'drills' if live else 'real alerts'} only",
        fix="leave it out of --channels",
    )


def _public(chosen: Sequence[Wired]) -> bool:
    """Whether all of these speak to whoever reads, so that no list of people was looked at."""
    return all(wired.channel.capabilities.feeds for wired in chosen)


def _counts(house: House, audience: str, chosen: Sequence[Wired]) -> Counts:
    if _public(chosen):
        return Counts(recipients=0, refused=0, duplicates=0)
    if not audience:
        raise UsageProblem("no audience: say --to NAME, or set defaults.audience in channels.yaml")
    try:
        return house.roster(audience).counts()
    except AudienceProblem as broken:
        feeds = [wired.name for wired in chosen if wired.channel.capabilities.feeds]
        raise AudienceProblem(*broken.problems, *_without_list(feeds)) from None


def _without_list(feeds: Sequence[str]) -> Iterator[Problem]:
    """Say what needs no list of people: a broken one must not keep the public from being told."""
    if feeds:
        fix = f"to post there all the same, and tell nobody else: --channels {','.join(feeds)}"
        yield Problem(where="", what=f"{', '.join(feeds)}: no list is needed there", fix=fix)


def _with_fallbacks(house: House, chosen: Sequence[Wired], *, without: Sequence[str]) -> list[Wired]:
    """Return the channels chosen, and those that take what they cannot reach."""
    extra = [wired.fallback for wired in chosen if wired.fallback and wired.fallback not in without]
    return [house.wired(name) for name in dict.fromkeys([wired.name for wired in chosen] + extra)]


def _lanes(
    channels: Sequence[Wired],
    chosen: Sequence[Wired],
    message: Message,
    title: str,
    *,
    counts: Counts,
    people: Mapping[str, int] | None,
    without: Sequence[str],
) -> tuple[LanePlan, ...]:
    """Fit every channel, fall-backs too; all that do not fit are named at once."""
    first = {wired.name for wired in chosen}
    problems: list[Problem] = []
    lanes: list[LanePlan] = []
    for wired in channels:
        name, can = wired.name, wired.channel.capabilities
        try:
            content = fit(message, can.shape, title=title)
        except PlanRefused as refused:
            problems += [Problem(where=name, what=p.what, fix=p.fix) for p in refused.problems]
            continue
        alone = name not in first
        many = counts.addresses.get(can.address_kind, 0) if people is None else people.get(name, 0)
        lanes.append(
            LanePlan(
                channel=name,
                kind=wired.kind,
                content=content,
                capabilities=can,
                deliveries=0 if alone else len(can.feeds) or many,
                fallback=wired.fallback if wired.fallback not in without else "",
                fallback_only=alone,
            )
        )
    if problems:
        raise PlanRefused(*problems)
    return tuple(sorted(lanes, key=lambda lane: not lane.capabilities.feeds))
