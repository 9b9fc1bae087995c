"""What monitors count: figures read from the ledger and from this process, in Prometheus' own form.

Labels are channels, states and reasons: never an alert, a person or a text, whose number has no bound.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from alerting.authority.aftermath import still_owed
from alerting.ledger.base import DrillReader, LedgerReader
from alerting.model.delivery import State
from alerting.service.incident import open_stories

if TYPE_CHECKING:
    from alerting.app import App


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What only this process knows, asked at each look.

    ``troubles`` are reasons by channel; ``received`` and ``refused`` count callbacks since it started.
    """

    troubles: Callable[[], Mapping[str, str]] = field(default=dict)
    received: Callable[[], int] = field(default=lambda: 0)
    refused: Callable[[], int] = field(default=lambda: 0)


def exposition(app: App, pulse: Pulse) -> bytes:
    """Return everything monitors may count, as text. Reads the ledger; for a thread of its own."""
    registry = CollectorRegistry()
    registry.register(_Figures(app, pulse))
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, app: App, pulse: Pulse) -> None:
        self._app, self._pulse = app, pulse

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of this moment."""
        yield from self._of_process()
        yield from _of_disk(self._app)
        ledger = self._app.own_reader()
        if ledger is None:
            return
        try:
            now = self._app.clock.now()
            yield from _of_alerts(ledger, now)
            yield from _of_incidents(ledger, now)
            yield GaugeMetricFamily(
                "alerting_reviews_overdue",
                "Alerts sent by breaking the glass that nobody has reviewed in time.",
                value=sum(one.overdue(now) for one in still_owed(ledger)),
            )
            yield from _of_drills(ledger)
            yield GaugeMetricFamily(
                "alerting_receipts_orphaned", "Receipts that fit no delivery yet.", value=ledger.orphans()
            )
        finally:
            ledger.close()

    def _of_process(self) -> Iterator[Metric]:
        troubles = GaugeMetricFamily(
            "alerting_channel_trouble",
            "Channels whose provider refuses or fails us.",
            labels=("channel", "reason"),
        )
        for channel, reason in self._pulse.troubles().items():
            troubles.add_metric((channel, reason), 1)
        yield troubles
        yield CounterMetricFamily(
            "alerting_callbacks_received",
            "Genuine callbacks read since the start.",
            value=self._pulse.received(),
        )
        yield CounterMetricFamily(
            "alerting_callbacks_refused",
            "Callbacks turned away since the start.",
            value=self._pulse.refused(),
        )


def _of_disk(app: App) -> Iterator[Metric]:
    free = shutil.disk_usage(app.state).free if app.state.exists() else 0
    yield GaugeMetricFamily("alerting_state_free_bytes", "Room left on the disk of the ledger.", value=free)


def _of_alerts(ledger: LedgerReader, now: datetime) -> Iterator[Metric]:
    open_alerts = sorted({alert_id for alert_id, _ in ledger.unsettled()})
    counts: Counter[tuple[str, State]] = Counter()
    oldest = 0.0
    for alert_id in open_alerts:
        record = ledger.alert(alert_id)
        if record:
            oldest = max(oldest, (now - record.accepted_at).total_seconds())
        for tally in ledger.tally(alert_id):
            for state, number in tally.counts.items():
                counts[tally.channel, state] += number
    yield GaugeMetricFamily("alerting_alerts_unsettled", "Alerts still being sent.", value=len(open_alerts))
    yield GaugeMetricFamily(
        "alerting_oldest_unsettled_seconds", "How long the oldest of them has been.", value=oldest
    )
    family = GaugeMetricFamily(
        "alerting_deliveries", "Deliveries of alerts still being sent.", labels=("channel", "state")
    )
    for (channel, state), number in sorted(counts.items()):
        family.add_metric((channel, state.value), number)
    yield family


def _of_incidents(ledger: LedgerReader, now: datetime) -> Iterator[Metric]:
    stories = open_stories(ledger)
    yield GaugeMetricFamily(
        "alerting_incidents_open",
        "Live incidents without an all clear.",
        value=len(stories),
    )
    yield GaugeMetricFamily(
        "alerting_incidents_overdue",
        "Live incidents whose people were promised a word by now.",
        value=sum(one.overdue(now) for one in stories),
    )


def _of_drills(ledger: LedgerReader) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "alerting_drill_last_timestamp_seconds",
        "When a drill last ran, or was last missed.",
        labels=("drill", "outcome"),
    )
    if isinstance(ledger, DrillReader):
        for drill in ledger.drill_names():
            last = {row.outcome: row.due_at for row in reversed(ledger.occurrences_of(drill))}
            for outcome, due_at in sorted(last.items()):
                family.add_metric((drill, outcome), due_at / 1e6)
    yield family
