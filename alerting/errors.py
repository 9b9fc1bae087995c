"""Every error this program raises on purpose.

::

    AlertingError                  exit code
    ├── UsageProblem                   2   a word on the command line
    ├── TemplateProblem                2   a template, or what it was given
    ├── AudienceProblem                2   a list of people
    ├── PlanRefused                    2   the alert cannot be sent as asked
    ├── UnknownAlert                   2   no alert of that id
    ├── NotConfirmed                   5   the officer did not confirm
    ├── NotAllowed                     7   the officer, or the mode, may not
    └── LedgerUnavailable             75   the record cannot be written or read
        ├── LedgerBusy                     somebody else holds it
        ├── LedgerLost                     it is elsewhere, and cannot be reached
        │   └── LedgerInDoubt              with a change half way, which may be kept or not
        └── LedgerDamaged                  it is there, and broken

    ConfigProblem                  2   stands apart, so that nothing swallows it
    └── MissingExtra                   a channel's library is not installed

An error is a sentence for a tired person: what is wrong, where, and what to write instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar, TypeVar

from alerting.named import NamedTuple


class Exit(IntEnum):
    """What the ``alert`` command answers to its caller."""

    OK = 0  #: every delivery accepted, or the command did what it says
    USAGE = 2  #: usage, configuration or template
    PARTIAL = 3  #: some deliveries failed
    NOTHING_SENT = 4  #: nothing went out
    NOT_CONFIRMED = 5  #: the officer did not confirm; nothing was opened
    UNCERTAIN = 6  #: some deliveries may or may not have gone out
    NOT_ALLOWED = 7  #: this person, or this mode, may not
    RUNNING = 8  #: accepted and safe on disk, still being sent
    ASKED = 9  #: a second person was asked; nothing is sent yet
    BUG = 70  #: this program failed; what it was doing is on record
    LEDGER = 75  #: the ledger cannot be used
    INTERRUPTED = 130  #: left by Ctrl-C; what was done by then is on record


class Problem(NamedTuple):
    """One thing that is wrong: ``where: what; fix``.

    ``where`` names a file, line and field; ``fix`` says what to write instead and may be empty.
    """

    where: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        """Return the sentence a person reads."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}; {self.fix}" if self.fix else head


class _Told(Exception):
    """An error made of one or more problems, one a line."""

    exit_code: ClassVar[Exit] = Exit.USAGE

    def __init__(self, *problems: Problem | str) -> None:
        told = [Problem(where="", what=p) if isinstance(p, str) else p for p in problems]
        if not told:
            told = [Problem(where="", what=(self.__doc__ or "").strip().splitlines()[0])]
        self.problems: Sequence[Problem] = tuple(told)
        super().__init__("\n".join(str(p) for p in told))


class AlertingError(_Told):
    """Something this program refuses, or cannot do."""


class UsageProblem(AlertingError):
    """The command line cannot be understood."""


class TemplateProblem(AlertingError):
    """The template, or what it was given, cannot be used."""


class AudienceProblem(AlertingError):
    """The audience cannot be read, or is empty."""


class PlanRefused(AlertingError):
    """The alert cannot be sent as asked."""


class UnknownAlert(AlertingError):
    """There is no alert of that id."""


class NotConfirmed(AlertingError):
    """Not confirmed: nothing was sent."""

    exit_code = Exit.NOT_CONFIRMED


class NotAllowed(AlertingError):
    """Not allowed."""

    exit_code = Exit.NOT_ALLOWED


class LedgerUnavailable(AlertingError):
    """The ledger cannot be used."""

    exit_code = Exit.LEDGER


class LedgerBusy(LedgerUnavailable):
    """Another process holds the ledger."""


class LedgerLost(LedgerUnavailable):
    """The ledger cannot be reached, or takes nobody just now; what was being written may be kept or not."""


class LedgerInDoubt(LedgerLost):
    """What was being written may be kept or not, and nobody can say which."""


class LedgerDamaged(LedgerUnavailable):
    """The ledger is there, but broken."""


class ConfigProblem(_Told):
    """The configuration cannot be used."""


class MissingExtra(ConfigProblem):
    """A channel's library is not installed."""


def words_of(error: Exception) -> str:
    """Return what a log may say of an error: our own words, and of any other only its kind.

    What runs beside the lanes meets errors nobody thought of; their texts may hold an address.
    """
    return str(error) if isinstance(error, _Told | OSError) else type(error).__name__


_Error = TypeVar("_Error", bound=BaseException)


def innermost(failed: BaseExceptionGroup[_Error]) -> _Error:
    """Return the first error of a group, however deep it lies.

    Several tasks meet the same broken ledger; one of their errors tells it all.
    """
    error: BaseExceptionGroup[_Error] | _Error = failed
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
