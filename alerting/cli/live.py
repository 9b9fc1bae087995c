"""Progress on a terminal, redrawn in place."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from alerting.broadcast.report import ChannelReport, Report
from alerting.cli.spread import spread
from alerting.cli.words import clean, span


class LiveScreen:
    """A table that is replaced as the alert proceeds; it leaves nothing behind when closed."""

    def __init__(self) -> None:
        self._live = Live(console=Console(highlight=False), transient=True, auto_refresh=False)
        self._live.start()

    def show(self, current: Report) -> None:
        """Draw how things stand."""
        table = Table(box=None, padding=(0, 2, 0, 0))
        for title in ("channel", "", "accepted", "delivered", "failed", "uncertain", "first", "95 %"):
            table.add_column(title, style="" if title else None)
        for channel in current.channels:
            table.add_row(*self._row(channel))
        drawn = [Text(line) for line in spread(current.channels)]
        self._live.update(Group(table, *drawn), refresh=True)

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()

    @staticmethod
    def _row(channel: ChannelReport) -> tuple[Text | ProgressBar, ...]:
        return (
            Text(clean(channel.channel)),
            ProgressBar(total=max(1, channel.total), completed=channel.total - channel.waiting, width=24),
            Text(f"{channel.accepted:,}/{channel.total:,}", style="green" if channel.settled else ""),
            Text(f"{channel.delivered:,}" if channel.receipts else "no receipts"),
            Text(f"{channel.failed:,}", style="red" if channel.failed else "dim"),
            Text(f"{channel.uncertain:,}", style="yellow" if channel.uncertain else "dim"),
            Text(span(channel.first_s)),
            Text(span(channel.most_s)),
        )
