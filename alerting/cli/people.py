"""``alert status --people``: what became of the message to each person, down to one address.

Addresses are masked. Whoever asks to see them is written into the audit log first, with what they
looked for; an address they looked for stands there as a keyed hash, so that the log holds nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from alerting.cli.dossier import Dossier
from alerting.cli.face import Face, emit, note, say
from alerting.cli.words import clean, plural
from alerting.errors import Problem, UsageProblem
from alerting.model.delivery import FAILED, SETTLED, TAKEN, State

if TYPE_CHECKING:
    from alerting.ledger.base import LedgerReader
    from alerting.ledger.rows import AlertRecord
    from alerting.model.delivery import Delivery

#: Words for several states at once, as the columns of ``alert status`` count them.
_GROUPS: Final = {
    "failed": FAILED,
    "uncertain": frozenset({State.UNCERTAIN, State.UNRESOLVED}),
    "waiting": frozenset(State) - SETTLED,
    "taken": TAKEN,
    "all": frozenset(State),
}
_STATES: Final = {**{str(state): frozenset({state}) for state in State}, **_GROUPS}
#: What people write between the digits of a telephone number.
_NUMBER: Final = re.compile(r"\+?[\d\s().-]*\d[\d\s().-]*")
_ADDRESS_WIDTH: Final = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Whom to show: words of one sort are alternatives, those of different sorts narrow it down.

    ``parts`` are parts of addresses: digits, or text in lower case. Empty means any.
    """

    states: frozenset[State] = frozenset()
    channels: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str, record: AlertRecord) -> Filter:
        """Read words with commas between them: states, channels of the alert, parts of addresses.

        Raises:
            UsageProblem: there is no word in it.
        """
        words = [word.strip() for word in text.split(",") if word.strip()]
        if not words:
            fix = "write a state, a channel, or part of an address: --people failed,sms-main"
            raise UsageProblem(Problem(where="--people", what="is empty", fix=fix))
        lanes = {lane.channel for lane in record.lanes}
        states = [word for word in words if word.casefold() in _STATES]
        channels = [word for word in words if word in lanes and word not in states]
        parts = [word for word in words if word not in states and word not in channels]
        return cls(
            states=frozenset[State]().union(*(_STATES[word.casefold()] for word in states)),
            channels=tuple(channels),
            parts=tuple(map(_part, parts)),
        )

    def fits(self, delivery: Delivery) -> bool:
        """Say whether a delivery is one of those asked for."""
        return (
            (not self.states or delivery.state in self.states)
            and (not self.channels or delivery.channel in self.channels)
            and (not self.parts or any(part in delivery.address.casefold() for part in self.parts))
        )

    def find(self, ledger: LedgerReader, alert_id: str) -> Iterator[Delivery]:
        """Stream the deliveries asked for; a whole address is found without looking through all."""
        whole = [
            row
            for part in self.parts
            for name in _whole(part)
            for row in ledger.deliveries(alert_id, address=name)
        ]
        if whole:
            yield from filter(self.fits, whole)
            return
        only = self.channels[0] if len(self.channels) == 1 else ""
        yield from filter(self.fits, ledger.deliveries(alert_id, channel=only, states=tuple(self.states)))

    def body(self, alert_id: str, key: bytes) -> dict[str, Any]:
        """Return it as the audit log keeps it: what was looked for in addresses as keyed hashes."""
        from alerting.audit.people import StandIns

        hide = StandIns(key=key, alert_id=alert_id)
        return {
            "states": sorted(self.states),
            "channels": list(self.channels),
            "sought": [hide.sought(part) for part in self.parts],
        }


def _part(word: str) -> str:
    if _NUMBER.fullmatch(word):
        return re.sub(r"[\s().-]", "", word)
    return word.casefold()


def _whole(part: str) -> Iterator[str]:
    """Yield the addresses a part may be as a whole."""
    if ":" in part:
        yield part
    elif part.startswith("+"):
        yield f"phone:{part}"
    elif "@" in part:
        yield f"email:{part}"


def people(
    face: Face, ledger: LedgerReader, record: AlertRecord, text: str, *, unmask: bool, json: bool
) -> None:
    """Print the people asked for, one a line, as they are found.

    Raises:
        UsageProblem: the filter says nothing.
        LedgerBusy: addresses were asked for, and the asking cannot be written down.
    """
    wanted = Filter.read(text, record)
    if unmask:
        _audited(face, record.alert.id, wanted)
    dossier = Dossier(ledger=ledger, record=record, in_full=unmask)
    shown = 0
    show = _emitted if json else _Table(face, record).show
    for delivery in wanted.find(ledger, record.alert.id):
        shown += 1
        show(dossier.delivery(delivery))
    if json:
        emit("people", alert=record.alert.id, shown=shown, masked=not unmask)
    elif shown:
        hidden = "" if unmask else "; addresses are masked, --unmask shows them and is written down"
        note(f"{plural(shown, 'message')} of {record.alert.id}{hidden}")
    else:
        _nobody(record, text)


def _audited(face: Face, alert_id: str, wanted: Filter) -> None:
    from alerting.audit.acts import Act
    from alerting.audit.signer import stand_in_key

    key = stand_in_key(face.view.state)
    assert key is not None
    face.view.record(Act("people.looked_at", alert_id, wanted.body(alert_id, key)), actor=face.actor)


def _emitted(told: dict[str, Any]) -> None:
    emit("delivery", **told)


class _Table:
    """Lines whose columns keep their places although nobody knows yet what is to come."""

    def __init__(self, face: Face, record: AlertRecord) -> None:
        from zoneinfo import ZoneInfo

        self._zone = ZoneInfo(face.view.config.campus.time_zone)
        self._width = max(len(clean(lane.channel)) for lane in record.lanes)
        self._begun = False

    def show(self, told: dict[str, Any]) -> None:
        """Print one delivery."""
        if not self._begun:
            self._begun = True
            self._line("channel", "address", "state", "since", "tries", "why")
        why = " ".join(filter(None, (told["reason_words"], told["detail"] and f"({told['detail']})")))
        tries = f"{told['attempts']}{'?' if told['maybe_twice'] else ''}"
        self._line(
            told["channel"], told["address"], told["state"], self._when(told["changed_at"]), tries, why
        )

    def _line(self, channel: str, address: str, state: str, since: str, tries: str, why: str) -> None:
        say(
            f"{clean(channel):<{self._width}}  {clean(address):<{_ADDRESS_WIDTH}}  {state:<11}"
            f"  {since:<19}  {tries:>5}  {' '.join(why.split())}".rstrip()
        )

    def _when(self, text: str | None) -> str:
        from datetime import datetime

        if not text:
            return "-"
        return datetime.fromisoformat(text).astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")


def _nobody(record: AlertRecord, text: str) -> None:
    from difflib import get_close_matches

    known = [*_STATES, *(lane.channel for lane in record.lanes)]
    near = [hit for word in text.split(",") for hit in get_close_matches(word.strip(), known, n=1)]
    say(f"Nobody of {record.alert.id} fits {text!r}.")
    note(f"Did you mean {' or '.join(near)}?" if near else f"States are {', '.join(_STATES)}.")
