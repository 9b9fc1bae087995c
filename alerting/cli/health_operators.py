"""The doctor's look at who may send: people, and whether somebody could approve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from alerting.cli.finding import Area, Finding, Level, failures
from alerting.cli.words import plural
from alerting.errors import ConfigProblem

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.config import Config


def operators(config: Config) -> Iterator[Finding]:
    """Look at operators.yaml; without one nobody can approve, and one person alone may send everything."""
    from alerting.cli.operators import advice_of
    from alerting.config.operators import load_operators

    try:
        found = load_operators(config)
    except ConfigProblem as error:
        yield from failures("operators", Area.CONFIG, error.problems)
        return
    if found is not None:
        yield Finding(
            what="operators",
            area=Area.CONFIG,
            detail=f"{plural(len(found.people), 'person', 'people')} in {found.path}",
        )
    fix = "alert operators check" if found else "write operators.yaml: docs/who-may-send.md"
    for advice in advice_of(found):
        yield Finding(what="operators", level=Level.WARN, area=Area.CONFIG, detail=advice, fix=fix)


def reviews(app: App) -> Iterator[Finding]:
    """Look at what went without its second person, and nobody has reviewed yet."""
    from alerting.authority.aftermath import still_owed

    now = app.clock.now()
    for one in still_owed(app.reader()):
        late = ", and should have been by now" if one.overdue(now) else ""
        detail = f"{one.alert}, which {one.by} sent alone, is not reviewed yet{late}"
        fix = f"alert review {one.alert}"
        yield Finding(what="review", level=Level.WARN, area=Area.LEDGER, detail=detail, fix=fix)
