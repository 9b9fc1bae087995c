"""Colour, where a terminal wants it; rich is imported only then."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from alerting.cli.face import colourful, say
from alerting.cli.words import clean
from alerting.named import NamedTuple


class Line(NamedTuple):
    """A line for people. ``style`` only repeats what its words say: without colour nothing is lost."""

    text: str
    style: str = ""


def heading(text: str, *, live: bool) -> None:
    """Print a banner: white on red when it is real, black on blue when it is practice."""
    tell([_banner(text, live=live)] if colourful() else [Line(text)])


def painted_heading(text: str, *, live: bool) -> str:
    """Return what ``heading`` prints to a terminal that wants colour."""
    from io import StringIO

    from rich.console import Console
    from rich.text import Text

    line, paper = _banner(text, live=live), StringIO()
    # These styles are of the sixteen colours every terminal has, and told alike to all of them.
    console = Console(
        file=paper, force_terminal=True, color_system="standard", highlight=False, soft_wrap=True
    )
    console.print(Text(clean(line.text), style=line.style), end="")
    return paper.getvalue()


def _banner(text: str, *, live: bool) -> Line:
    return Line(f" {text} ", "bold white on red" if live else "bold black on bright_blue")


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
