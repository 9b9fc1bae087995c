"""Commands that belong together, such as ``alert templates list`` and ``alert templates check``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import typer


def family(
    name: str, text: str, members: Mapping[str, Callable[..., Any]], *, first: Callable[[typer.Context], None]
) -> typer.Typer:
    """Return members as one command; ``first`` answers when none of them is named."""
    app = typer.Typer(
        name=name,
        help=text,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        invoke_without_command=True,
    )

    def alone(ctx: typer.Context) -> None:
        if ctx.invoked_subcommand is None:
            first(ctx)

    app.callback(help=text)(alone)
    for word, member in members.items():
        app.command(word)(member)
    return app
