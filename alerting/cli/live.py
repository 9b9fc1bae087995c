"""Progress on a terminal, redrawn in place."""

from __future__ import annotations

from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from alerting.broadcast.report import ChannelReport, Report
from alerting.cli.screen import blocks
from alerting.cli.spread import spread
from alerting.cli.words import clean, span

#: A usual row fits into 80 columns, with a channel of 15 letters and 20,000 people.
_BAR: Final = 10


class LiveScreen:
    """A table that is replaced as the alert proceeds; it leaves nothing behind when closed."""

    def __init__(self) -> None:
        self._live = Live(console=Console(highlight=False), transient=True, auto_refresh=False)
        self._live.start()

    def show(self, current: Report) -> None:
        """Draw how things stand."""
        self._live.update(drawn(current, in_blocks=blocks()), refresh=True)

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()


def drawn(current: Report, *, in_blocks: bool = True) -> Group:
    """Return how things stand, as a table with the spread over time below it; in digits without blocks."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    for title in ("channel", "", "accepted", "delivered", "failed", "uncertain", "first", "95 %"):
        table.add_column(title, style="" if title else None, no_wrap=True)
    for channel in current.channels:
        table.add_row(*_row(channel))
    return Group(table, *(Text(line) for line in spread(current.channels, blocks=in_blocks)))


def _row(channel: ChannelReport) -> tuple[Text | ProgressBar, ...]:
    return (
        Text(clean(channel.channel)),
        ProgressBar(total=max(1, channel.total), completed=channel.total - channel.waiting, width=_BAR),
        Text(f"{channel.accepted:,}/{channel.total:,}", style="green" if channel.settled else ""),
        Text(f"{channel.delivered:,}" if channel.receipts else "-"),
        Text(f"{channel.failed:,}", style="red" if channel.failed else "dim"),
        Text(f"{channel.uncertain:,}", style="yellow" if channel.uncertain else "dim"),
        Text(span(channel.first_s)),
        Text(span(channel.most_s)),
    )
