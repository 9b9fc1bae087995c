"""Which fault, if any, meets a request. The same seed and requests meet the same faults."""

from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from alerting.named import NamedTuple
from alerting.sandbox.effect import Effect
from alerting.sandbox.script import Match, Rule, Script

#: What else an operation counts as: a rule for `create` means replies too.
FAMILY: Final = {"reply": "create"}


class Fault(NamedTuple):
    """A rule that fired."""

    name: str
    effect: Effect


class Faults:
    """A script being played.

    A rule's `nth`, `every` and `first` count the requests that its provider, operation, `to` and
    `text_contains` mean; `times` counts its own firings. `probability` does not depend on the order
    in which requests arrive: it is drawn from the seed, the rule, the recipient and how often
    that recipient came before.
    """

    def __init__(self, script: Script | None = None, *, seed: int = 0) -> None:
        self.play(script or Script(), seed=seed)

    def play(self, script: Script, *, seed: int) -> None:
        """Start a script from its beginning."""
        self.script = script
        self.seed = script.seed if script.seed is not None else seed
        self._seen = [0] * len(script.rules)
        self._fired = [0] * len(script.rules)
        self._visits: Counter[tuple[int, str]] = Counter()

    @property
    def fired(self) -> dict[str, int]:
        """How often each rule has fired, by name."""
        totals: Counter[str] = Counter()
        for rule, times in zip(self.script.rules, self._fired, strict=True):
            totals[rule.name] += times
        return dict(totals)

    def meet(
        self, provider: str, operation: str, to: tuple[str, ...], text: Callable[[], str]
    ) -> Fault | None:
        """The first rule that fires for a request, counted as having fired."""
        for index, rule in enumerate(self.script.rules):
            if _means(rule, provider, operation, to, text) and self._fires(index, rule.match, to):
                return Fault(rule.name, rule.effect)
        return None

    def _fires(self, index: int, match: Match, to: tuple[str, ...]) -> bool:
        self._seen[index] += 1
        position = self._seen[index]
        if (
            (match.nth and position not in match.nth)
            or (match.every and position % match.every)
            or (match.first and position > match.first)
            or (match.times and self._fired[index] >= match.times)
            or (match.probability < 1 and not self._drawn(index, match.probability, to))
        ):
            return False
        self._fired[index] += 1
        return True

    def _drawn(self, index: int, probability: float, to: tuple[str, ...]) -> bool:
        visitor = (index, to[0] if to else "")
        self._visits[visitor] += 1
        drawn = f"{self.seed}|{index}|{visitor[1]}|{self._visits[visitor]}"
        digest = blake2b(drawn.encode("utf-8", "replace"), digest_size=8).digest()
        return int.from_bytes(digest) < probability * 2**64


def _means(rule: Rule, provider: str, operation: str, to: tuple[str, ...], text: Callable[[], str]) -> bool:
    if rule.provider not in ("*", provider):
        return False
    if rule.operation not in ("*", operation, FAMILY.get(operation)):
        return False
    if rule.match.to and rule.match.to.isdisjoint(to):
        return False
    return not rule.match.text_contains or rule.match.text_contains in text()
