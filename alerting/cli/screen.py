"""Colour, where a terminal wants it; rich is imported only then."""

from __future__ import annotations

from alerting.cli.face import colourful, say


def heading(text: str, *, live: bool) -> None:
    """Print a banner: white on red when it is real, black on blue when it is practice."""
    if not colourful():
        say(text)
        return
    from rich.console import Console
    from rich.text import Text

    style = "bold white on red" if live else "bold black on bright_blue"
    Console(highlight=False).print(Text(f" {text} ", style=style))
