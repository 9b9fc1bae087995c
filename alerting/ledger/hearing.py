"""What providers and people told, as it is asked for: receipts, arrivals, who stopped, replies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from alerting.ledger.keeping import Keeping
from alerting.ledger.reading import span
from alerting.ledger.rows import Opt, ReceiptRow, ReplyRow

#: Rows fetched at a time.
_PAGE: Final = 500


class Hearing(Keeping):
    """Questions about what was heard."""

    def arrivals(self, alert_id: str) -> Mapping[str, Sequence[tuple[int, int]]]:
        """Return per channel the (second since acceptance, deliveries that arrived in it) curve."""
        curves: dict[str, list[tuple[int, int]]] = {}
        for channel, second, delivered, _, _ in self._db.all("arrivals", (alert_id,)):
            curves.setdefault(channel, []).append((second, delivered))
        return curves

    def receipts(self, alert_id: str) -> Iterator[ReceiptRow]:
        """Stream every receipt of an alert by channel, delivery and the order they were heard in."""
        for batch, channel, *_ in self._db.all("batches_of", (alert_id,)):
            for delivery, *rest in self._db.all("receipts_between", span(batch)):
                yield ReceiptRow(delivery, channel, *rest)

    def orphans(self) -> int:
        """Return how many receipts still look for their row."""
        ((count,),) = self._db.all("orphans")
        return int(count)

    def opted_out(self, channel: str) -> frozenset[str]:
        """Return the addresses (``kind:value``) whose last word to a channel was to stop."""
        return frozenset(row[0] for row in self._db.all("opted_out", (channel,)))

    def opts(self) -> Iterator[Opt]:
        """Stream the whole history of who stopped and started, oldest first."""
        last = 0
        while page := self._db.all("opts", (last, _PAGE)):
            yield from (Opt(*row) for _, *row in page)
            last = page[-1][0]

    def replies(self) -> Iterator[ReplyRow]:
        """Stream what people wrote back, oldest first: untrusted text."""
        last = 0
        while page := self._db.all("replies", (last, _PAGE)):
            yield from (ReplyRow(*row) for _, *row in page)
            last = page[-1][0]
