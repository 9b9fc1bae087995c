"""Colour, where a terminal wants it; rich is imported only then."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import NamedTuple

from alerting.cli.face import colourful, say
from alerting.cli.words import clean


class Line(NamedTuple):
    """A line for people. ``style`` only repeats what its words say: without colour nothing is lost."""

    text: str
    style: str = ""


def heading(text: str, *, live: bool) -> None:
    """Print a banner: white on red when it is real, black on blue when it is practice."""
    style = "bold white on red" if live else "bold black on bright_blue"
    tell([Line(f" {text} ", style)] if colourful() else [Line(text)])


def tell(lines: Iterable[Line]) -> None:
    """Print lines, each in its style where the terminal wants colour."""
    if not colourful():
        for line in lines:
            say(line.text)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        console.print(Text(clean(line.text), style=line.style))


def blocks() -> bool:
    """Whether stdout can show block characters; some terminals and pipes know letters only."""
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
