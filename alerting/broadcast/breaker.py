"""When a whole channel is in trouble: stop, try with one message, go on or give up.

Temporary trouble (no connection, no answers) closes the lane to all but one trial at growing
intervals, for as long as the alert lives. A refusal of the account itself (dead token, no credit)
is believed when a second trial, at least a second later, says the same: then the channel is down.
Being too fast is no trouble, unless the provider wants to hear nothing for a minute or longer.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from alerting.model.outcome import Accepted, Deferred, Outcome, Reason, Rejected, Scope, Unknown

#: A provider that asks for so much time takes nothing for now, whatever it calls that.
LONG_WAIT: Final = timedelta(minutes=1)
_TRIAL_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0)
_FAILURES_TO_OPEN: Final = 5
_THROTTLED: Final = frozenset({Reason.RATE_LIMITED, Reason.QUEUE_FULL})


class Breaker:
    """The state of one channel account, closed (sending), open (trials only) or down."""

    def __init__(self) -> None:
        self._failures = 0
        self._trials = 0
        self._trial_at: float | None = None
        self._refused_at: float | None = None
        self.opened_at: float | None = None
        self.reason: Reason | None = None
        self.detail = ""
        self.down = False
        self.calm = True  #: whether another acceptance would teach it nothing

    @property
    def open(self) -> bool:
        """Whether only trials may pass."""
        return self.opened_at is not None

    def trial_in(self, now: float) -> float:
        """Seconds until the next trial; 0 when one may go now or the breaker is closed."""
        return 0.0 if self._trial_at is None else max(0.0, self._trial_at - now)

    def tell(self, outcome: Outcome, now: float) -> None:
        """Learn from one outcome."""
        match outcome:
            case Accepted():
                self._close()
            case Rejected(reason=reason, detail=detail) if reason.scope is Scope.CHANNEL:
                self._refused(reason, detail, now)
            case Rejected():
                self._close()
            case Deferred(reason=reason, after=after, detail=detail) if reason in _THROTTLED:
                if after and after >= LONG_WAIT:
                    self._open(reason, detail, now)
            case Deferred(reason=reason, detail=detail) | Unknown(reason=reason, detail=detail):
                if reason not in _THROTTLED and reason.scope is Scope.CHANNEL:
                    self._troubled(reason, detail, now)

    def renew(self) -> None:
        """Forget that the channel was down: a new alert gets a trial of its own."""
        if self.down:
            self._close()

    def hasten(self, now: float) -> None:
        """Let the next trial go at once: something more urgent waits than what failed so far."""
        if self._trial_at is not None:
            self._trial_at = min(self._trial_at, now)

    def _close(self) -> None:
        self._failures = self._trials = 0
        self._trial_at = self._refused_at = self.opened_at = self.reason = None
        self.detail = ""
        self.down = False
        self.calm = True

    def _refused(self, reason: Reason, detail: str, now: float) -> None:
        if self._refused_at is not None and now >= (self._trial_at or now):
            self.down = True
        if self._refused_at is None:
            self._refused_at = now
        self._open(reason, detail, now)

    def _troubled(self, reason: Reason, detail: str, now: float) -> None:
        self._failures += 1
        self.calm = False
        if self._failures >= _FAILURES_TO_OPEN or self.open:
            self._open(reason, detail, now)

    def _open(self, reason: Reason, detail: str, now: float) -> None:
        self.calm = False
        self.reason, self.detail = reason, detail
        if self.opened_at is None:
            self.opened_at = now
        if self._trial_at is None or now >= self._trial_at:
            self._trial_at = now + _TRIAL_S[min(self._trials, len(_TRIAL_S) - 1)]
            self._trials += 1
