"""Options that mean the same on every command that has them."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object for scripts.")]
Confirm = Annotated[str, typer.Option("--confirm", help="The word the prompt would ask for (scripts).")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Watch until settled, or leave at once.")]
RunKey = Annotated[str, typer.Option("--run-key", help="A repeat with the same key sends nothing twice.")]
Evidence = Annotated[
    str, typer.Option("--evidence", help="unconfirmed, confirmed, partly-withdrawn or unfounded.")
]
Next = Annotated[int, typer.Option("--next", min=1, max=1440, help="Minutes until people hear again.")]
BreakGlass = Annotated[
    str,
    typer.Option(
        "--break-glass", help="Send without the second person, for this reason; all approvers hear."
    ),
]
OneMore = Annotated[
    bool, typer.Option("--one-more", help="Although many real alerts went out just now (scripts).")
]
Reported = Annotated[
    str, typer.Option("--reported", help="When it was reported, on the campus clock: 02:03.")
]
Confirmed = Annotated[str, typer.Option("--confirmed", help="When it was confirmed, likewise.")]
