"""What a lane does about the other lanes of its channel: says that it is there, and keeps to its part."""

from __future__ import annotations

from typing import Final

from alerting.broadcast.pace import Pace
from alerting.broadcast.share import divided
from alerting.broadcast.turn import Answer, Turn
from alerting.broadcast.window import Window
from alerting.channels.base import Capabilities
from alerting.ledger.rows import Share

#: How often a lane says that it is still there; twice as often it looks again when it may not speak.
_WORD_S: Final = 1.0
#: The ways from several hosts to a provider differ, and a part cannot count another's lateness: a second
#: is counted as longer by this share. A twelfth of the rate is left unused for it.
_JITTER: Final = 0.08
_ALONE: Final = 0.005


class Part:
    """One lane's part of its channel; ``alone`` where no other process may speak to the provider."""

    def __init__(self, can: Capabilities, pace: Pace, window: Window, *, alone: bool) -> None:
        self._alone = alone
        self._can, self._pace, self._window = can, pace, window
        self._share: tuple[int, int] | None = None
        self._most: int | None = None
        self._next_word = float("-inf")
        self.spoken = False  #: whether the others count us

    @property
    def known(self) -> bool:
        """Whether this lane knows its part; before that it claims nothing."""
        return self._alone or self.spoken

    def _take(self, share: Share | None, mono: float) -> None:
        if share is None:
            self.spoken = False
            self._pace.block(mono + _WORD_S / 2)
            return
        rate, most = divided(self._can.rate_per_s, self._can.in_flight, share)
        self._most = most
        if rate <= 0:
            self._pace.block(mono + _WORD_S / 2)
        elif share.wait_s > 0:
            self._pace.block(mono + share.wait_s)
        if (share.place, share.speakers) != self._share and rate > 0:
            self._share = (share.place, share.speakers)
            self._pace.change(rate, jitter=_JITTER if share.speakers > 1 else _ALONE)
            self._window.cap(most)

    def ask(self, turn: Turn, *, busy: bool, mono: float) -> None:
        """Have a turn look who else is sending, and say that we are: ``busy`` is having something in hand."""
        if self._alone:
            return
        turn.over = self._most is not None and turn.open_calls > self._most
        busy = busy or bool(turn.claims)
        turn.word = busy and (not self.spoken or mono >= self._next_word)
        turn.speaks = turn.word or bool(turn.claims)
        turn.joins = not self.spoken
        turn.leaves = self.spoken and not busy and not turn.look

    def heard(self, turn: Turn, answer: Answer, mono: float) -> None:
        """Take what the turn was told."""
        if turn.leaves:
            self.spoken, self._share, self._next_word = False, None, float("-inf")
        elif answer.share is not None or turn.speaks:
            if turn.word or turn.joins:
                # From when it was asked for: the others count from a moment not long after, however late
                # the answer came, and nothing may be sent here longer than they count us in.
                self.spoken, self._next_word = True, turn.asked + _WORD_S
            before = self._most
            self._take(answer.share, mono)
            if self._most != before and turn.open_calls > (self._most or 0):
                # Who has joined waits for a moment only, unless it hears at once that our calls are slow.
                self._next_word = turn.asked
