"""Options that mean the same on every command that sends."""

from __future__ import annotations

from typing import Annotated

import typer

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
