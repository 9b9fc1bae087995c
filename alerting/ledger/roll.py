"""What remains to be written of a list that was accepted with an alert; see ``rolling``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing

from alerting.errors import LedgerDamaged, Problem
from alerting.ledger.reading import STRIDE
from alerting.named import NamedTuple


class Listed(NamedTuple):
    """A row of a roll, before it is written."""

    id: int
    address: str
    recipient: str
    fallback: str


class Roll(NamedTuple):
    """What remains to be written of a list on a channel; see migration 0005."""

    alert_id: str
    channel_name: str
    alert: int
    channel: int
    first: int
    size: int
    places: int
    written: int
    question: str
    without: str
    digest: str
    state: str
    changed_at: int
    reason: str

    def rows(self, pieces: Iterable[bytes]) -> Iterator[Listed]:
        """Yield what is not written yet, in order; ``pieces`` are those of the list, which is held whole.

        Raises:
            LedgerDamaged: they are not.
        """
        with closing(sqlite3.connect(":memory:")) as db:
            try:
                # Of no bytes at all a database is made that runs out of memory when it is asked.
                db.deserialize(b"".join(pieces) or b"nothing")
                yield from self.among(db)
            except sqlite3.DatabaseError as error:
                what = f"the list of people for {self.channel_name} cannot be read ({error})"
                raise LedgerDamaged(Problem(where=self.alert_id, what=what)) from error

    def among(self, db: sqlite3.Connection, upto: int | None = None) -> Iterator[Listed]:
        """Yield what is not written yet of the list in a database, up to a place."""
        without, end = frozenset(json.loads(self.without)), self.places if upto is None else upto
        for place, address, *rest in db.execute(self.question):
            if self.written <= place < end and address not in without:
                yield Listed(self.batch(place) * STRIDE + place % self.size, address, *rest)

    def batch(self, place: int) -> int:
        """Return the batch of the row at a place."""
        return self.first + place // self.size
