"""A plain line of ``alert send``, read without typer, whose import takes as long as two interpreters' start.

What is read here means what typer would make of it; ``tests/cli`` holds the two together. A line that has
anything else in it, whatever that is, is left to typer: it understands more, and says what is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from alerting.cli.front import split

#: Options that take a word, and those that are one, by the name that ``sending.send`` gives them.
_WORDS: Final = {
    "-v": "value",
    "--value": "value",
    "--to": "to",
    "--channels": "channels",
    "--incident": "incident",
    "--evidence": "evidence",
    "--reported": "reported",
    "--confirmed": "confirmed",
    "--confirm": "confirm",
    "--run-key": "run_key",
    "--break-glass": "break_glass",
}
_FLAGS: Final[Mapping[str, tuple[str, Any]]] = {
    "--wait": ("wait", True),
    "--no-wait": ("wait", False),
    "--one-more": ("one_more", True),
    "--json": ("json", True),
}


def sent(argv: list[str]) -> int | None:
    """Carry out a plain line of ``alert send``; return its exit code, None where typer has to read it.

    Raises:
        AlertingError, ConfigProblem: it was refused; nothing was sent.
    """
    told = split(argv)
    if told is None:
        return None
    config, state, (verb, *words) = told
    options = plain(words) if verb == "send" else None
    if options is None or not all(_may_be_read(path) for path in (config, state)):
        return None
    from pathlib import Path

    from alerting.cli.face import Face
    from alerting.cli.sending import send

    face = Face(config=Path(config), state=Path(state) if state else None, sandbox=False)
    return send(face, **options)


def plain(words: Sequence[str]) -> dict[str, Any] | None:
    """Return what the words after ``alert send`` ask for, by name; None where they are not plain."""
    told: dict[str, Any] = {}
    values: list[str] = []
    left = iter(words)
    for word in left:
        if word in _FLAGS:
            name, given = _FLAGS[word]
        elif _is_plain(text := next(left, "") if word in _WORDS else word):
            name, given = _WORDS.get(word, "template"), text
        else:
            return None
        if name == "value":
            values.append(text)
        elif name in told:
            return None
        told[name] = values if name == "value" else given
    return told if "template" in told else None


def _is_plain(word: str) -> bool:
    """Whether a word is no option, and text that can be kept."""
    return bool(word) and not word.startswith("-") and word.isprintable()


def _may_be_read(path: str) -> bool:
    return os.access(path, os.R_OK) or not os.path.exists(path)  # noqa: PTH110
