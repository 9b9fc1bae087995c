"""``alert measure``: a text as X and the carriers count it. Needs no configuration."""

from __future__ import annotations

import json as jsons
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from alerting.cli.face import emit, say
from alerting.cli.group import single
from alerting.cli.options import Json
from alerting.cli.words import columns, plural
from alerting.errors import Exit, Problem, UsageProblem

if TYPE_CHECKING:
    from alerting.rendering.measure import SmsSize, XSize

_SHOWN: Final = 16  # foreign characters named one by one


def measure(
    text: Annotated[str, typer.Argument(help="The text; without it, or with -, read from stdin.")] = "-",
    json: Json = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Read JSON strings, one a line, and answer one object a line.")
    ] = False,
) -> None:
    """Measure a text: its weight on X, and its parts as a text message. It is measured as it stands."""
    if jsonl:
        raise typer.Exit(_stream(text, sys.stdin.buffer, sys.stdout.buffer))
    from alerting.rendering.measure import X_LIMIT, sms, weighted

    given = _given(text)
    on_x, as_sms = weighted(given), sms(given)
    if json:
        emit("measure", **_as_json(on_x, as_sms))
        return
    for line in columns([("X", _x_words(on_x, X_LIMIT)), ("SMS", _sms_words(as_sms))]):
        say(line)
    if as_sms.foreign:
        say(f"     not GSM-7: {_named(as_sms.foreign)}")


def _given(text: str) -> str:
    """Return the text to measure, from the command line or from stdin.

    Raises:
        UsageProblem: it is not UTF-8.
    """
    if text != "-":
        return text
    try:
        raw = sys.stdin.buffer.read().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeError as error:
        raise UsageProblem(Problem(where="", what="the text is not UTF-8", fix="save it as UTF-8")) from error
    # The line end a shell or an editor puts behind a text is not part of it.
    return raw.removesuffix("\n")


def _as_json(on_x: XSize, as_sms: SmsSize) -> dict[str, Any]:
    return {
        "x": {"weighted": on_x.weighted, "fits": on_x.fits},
        "sms": {
            "encoding": as_sms.encoding,
            "units": as_sms.units,
            "segments": as_sms.segments,
            "per_segment": as_sms.per_segment,
            "left": as_sms.left,
            "foreign": list(as_sms.foreign),
        },
    }


def _x_words(size: XSize, limit: int) -> str:
    told = f"{size.weighted} of {limit}"
    if size.fits:
        return f"{told}, {limit - size.weighted} free"
    over = size.weighted - limit
    if over > 0:
        return f"{told}: does not fit, {over} too many"
    return f"{told}: cannot be posted, it is empty or holds a character X refuses"


def _sms_words(size: SmsSize) -> str:
    room = f"{size.units} of {size.per_segment * max(1, size.segments)} units, {size.left} free"
    return f"{plural(size.segments, 'segment')}, {size.encoding}, {room}"


def _named(foreign: Iterable[str]) -> str:
    from unicodedata import name

    several = list(foreign)
    told = [f"{c} (U+{ord(c):04X} {name(c, 'no name')})" for c in several[:_SHOWN]]
    more = len(several) - len(told)
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")


def _stream(text: str, source: BinaryIO, out: BinaryIO) -> int:
    """Answer line by line, each as soon as it is read, so that a program can ask and wait."""
    from alerting.rendering.measure import sms, weighted

    if text != "-":
        raise UsageProblem(Problem(where="--jsonl", what="reads from stdin", fix="leave the text out"))
    code = Exit.OK
    for number, line in enumerate(source, 1):
        found = _string(line)
        if found is None:
            code, answer = Exit.USAGE, f'{{"error":"line {number}: not a JSON string"}}'
        else:
            on_x, as_sms = weighted(found), sms(found)
            answer = (
                f'{{"x":{{"weighted":{on_x.weighted},"fits":{"true" if on_x.fits else "false"}}},'
                f'"sms":{{"encoding":"{as_sms.encoding}","units":{as_sms.units},'
                f'"segments":{as_sms.segments}}}}}'
            )
        out.write(answer.encode() + b"\n")
        out.flush()
    return code


def _string(line: bytes) -> str | None:
    try:
        found = jsons.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def commands(name: str) -> typer.Typer:
    """Return the command of this room."""
    return single(name, measure)
