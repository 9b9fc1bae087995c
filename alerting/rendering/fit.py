"""A message fitted to one channel: the right block, measured, refused when it is too long."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterable

from alerting.errors import PlanRefused, Problem
from alerting.model.message import Content, Message, Shape, Unit
from alerting.rendering.markup import text_of
from alerting.rendering.measure import sms, weighted
from alerting.rendering.sanitise import Sanitised, sanitise
from alerting.rendering.template import Template


class Unfit(PlanRefused):
    """The text does not fit the channel."""


def fit(message: Message, shape: Shape, *, title: str = "") -> Content:
    """Fit a message to a shape: take its best block, measure it, and say in words what was found.

    ``title`` is the subject of a message that has none. A channel with HTML whose own text block is
    not there takes its text from ``email_html``.

    Raises:
        Unfit: the text is empty, or longer than the shape's limit; it says by how much.
    """
    slot, text = _chosen(message, shape)
    if not text.strip():
        raise Unfit(Problem(where=slot, what="there is no text to send", fix="fill in the template"))
    match shape.unit:
        case Unit.SEGMENTS:
            text, size, notes = _as_segments(slot, text, shape.limit)
        case Unit.WEIGHTED:
            size, notes = _as_weighted(slot, text, shape.limit)
        case Unit.CHARACTERS:
            text = unicodedata.normalize("NFC", text)
            size, notes = _as_characters(slot, text, shape.limit)
    return Content(
        text=text,
        size=size,
        limit=shape.limit,
        unit=shape.unit,
        subject=(message.block("subject") or title) if shape.subject else "",
        html=(message.block("email_html") or "") if shape.html else "",
        notes=notes,
    )


def slots_read(template: Template, shapes: Iterable[Shape]) -> frozenset[str]:
    """Return the blocks that channels of these shapes read of a template's message."""
    there = {*template.blocks, "message", "subject"}
    read: set[str] = set()
    for shape in shapes:
        read.add(_slot(there, shape))
        read |= {"subject"} if shape.subject else set()
        read |= {"email_html"} & there if shape.html else set()
    return frozenset(read)


def _slot(there: Container[str], shape: Shape) -> str:
    first = shape.slots[0] if shape.slots else "message"
    if shape.html and first not in there and "email_html" in there:
        return "email_html"
    return next((name for name in (*shape.slots, "message") if name in there), first)


def _chosen(message: Message, shape: Shape) -> tuple[str, str]:
    """Return the slot a channel reads, and its text."""
    slot = _slot(message.blocks, shape)
    text = message.blocks.get(slot, "")
    return slot, text_of(text) if slot == "email_html" else text


def _as_segments(slot: str, text: str, limit: int) -> tuple[str, int, tuple[str, ...]]:
    """Return the text as it is sent, its segments, and what was found."""
    clean = sanitise(text)
    size = sms(clean.text)
    parts = f"{size.segments} segment{'s' if size.segments != 1 else ''}"
    room = size.per_segment * size.segments
    note = f"{parts}, {size.encoding}, {size.units} of {room}, {size.left} free"
    if size.segments > limit:
        single = 160 if size.encoding == "GSM-7" else 70
        most = single if limit == 1 else limit * size.per_segment
        fix = f"shorten it, or allow {size.segments} segments"
        if size.foreign:
            shown = " ".join(size.foreign[:8])
            fix = f"{fix}; {shown} cut the room from 160 to 70, write it without"
        over = max(1, size.units - most)
        raise Unfit(Problem(where=slot, what=f"{over} too long: {note}; the limit is {limit}", fix=fix))
    return clean.text, size.segments, (note, *_swaps(clean))


def _swaps(clean: Sanitised) -> tuple[str, ...]:
    if not clean.replaced:
        return ()
    pairs = ", ".join(f"{old} by {new!r}" for old, new in clean.replaced)
    return (f"replaced to stay within GSM-7: {pairs}",)


def _as_weighted(slot: str, text: str, limit: int) -> tuple[int, tuple[str, ...]]:
    size = weighted(text).weighted
    if size > limit:
        what = f"{size - limit} too long: {size} of {limit} as X counts"
        fix = "shorten it; a link counts 23, an emoji 2"
        raise Unfit(Problem(where=slot, what=what, fix=fix))
    return size, (f"{size} of {limit} as X counts, {limit - size} free",)


def _as_characters(slot: str, text: str, limit: int) -> tuple[int, tuple[str, ...]]:
    size = len(text)
    if size > limit:
        what = f"{size - limit} too long: {size} of {limit} characters"
        raise Unfit(Problem(where=slot, what=what, fix="shorten it"))
    return size, (f"{size} of {limit} characters",)
