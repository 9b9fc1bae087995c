"""The list of commands, and how each is found without reading the others."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from alerting.cli.plain import lighten
from alerting.named import NamedTuple


class Entry(NamedTuple):
    """Where a command lives, and its line in ``alert --help``."""

    module: str
    help: str


COMMANDS: Final = {
    "send": Entry("send", "Send an alert: preview, confirm, watch."),
    "preview": Entry("send", "Show what `send` would send; open nothing."),
    "approve": Entry("approve", "Approve, or reject, what somebody else asks to send."),
    "approvals": Entry("approve", "List what waits for a second person."),
    "review": Entry("reviews", "Look afterwards at what went without its second person."),
    "status": Entry("status", "Show how alerts stand."),
    "update": Entry("incident", "Tell the same people what is new."),
    "all-clear": Entry("incident", "Tell the same people that it is over."),
    "correct": Entry("incident", "Tell the same people that it was wrong."),
    "recall": Entry("incident", "Undo a wrong alert."),
    "close": Entry("incident", "Close an incident without an all clear."),
    "cancel": Entry("status", "Stop what has not left yet."),
    "resume": Entry("status", "Go on with what was interrupted."),
    "serve": Entry("serve", "Take in receipts and replies; send for the other commands."),
    "ledger": Entry("ledger", "Move the record to PostgreSQL; keep its tables up to date."),
    "worker": Entry("worker", "Send what any host has opened in a shared ledger."),
    "ready": Entry("readiness", "Can somebody send right now?"),
    "ack": Entry("ack", "Answer a notice to the people on call."),
    "receipts": Entry("receipts", "Read bounces from mail; list who replied STOP."),
    "export": Entry("export", "Write the whole record of an alert."),
    "report": Entry("report", "Write the report of an alert: one page, or JSON."),
    "note": Entry("report", "Note when it was reported, confirmed, by whom, and why."),
    "cap": Entry("cap", "Write an alert as CAP 1.2, or the feed of alerts."),
    "audit": Entry("audit", "Prove that the record is what it was; forget people."),
    "drill": Entry("drill", "Plan, run and judge drills."),
    "templates": Entry("templates", "List, check and make templates."),
    "channels": Entry("channels", "List channels, check their credentials."),
    "audience": Entry("audience", "Check a list of people."),
    "operators": Entry("operators", "Say who may do what; make tokens for scripts."),
    "measure": Entry("measure", "Measure a text as X and SMS count it."),
    "doctor": Entry("doctor", "Check that this installation could send right now."),
    "sandbox": Entry("sandbox", "Run stand-ins for the providers; nothing leaves this machine."),
}


class LazyGroup(TyperGroup):
    """Commands by name from ``COMMANDS``; a module is imported when its command is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the help."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one command."""
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = import_module(f"alerting.cli.{entry.module}")
        return lighten(typer.main.get_command(module.commands(cmd_name)))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Say which command was meant when the word is not one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            from alerting.errors import Problem, UsageProblem

            near = get_close_matches(args[0], COMMANDS, n=1)
            fix = f"did you mean `alert {near[0]}`?" if near else "`alert --help` lists the commands"
            raise UsageProblem(Problem(where="", what=f"there is no command {args[0]!r}", fix=fix))
        return super().resolve_command(ctx, args)


def _setup(
    ctx: typer.Context,
    config: Annotated[Path, typer.Option(help="The configuration file.", envvar="ALERT_CONFIG")] = Path(
        "channels.yaml"
    ),
    state: Annotated[
        Path | None, typer.Option(help="The state directory, instead of the configured one.")
    ] = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Talk to stand-ins on this machine; nothing leaves it.")
    ] = False,
    local: Annotated[
        bool, typer.Option("--local", help="Keep the record on this host, while the shared ledger is away.")
    ] = False,
    without: Annotated[
        str, typer.Option(help="Channels to do without, comma between: a lost token stops only its own.")
    ] = "",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="A file with your token, instead of ALERT_TOKEN.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Warn a campus: one template, every channel, nothing lost."""
    from alerting.cli.face import Face, take_token

    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"alert {version_of('alerting')}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
        raise typer.Exit
    names = tuple(word for part in without.split(",") if (word := part.strip()))
    if token_file is not None:
        take_token(token_file)
    ctx.obj = Face(config=config, state=state, sandbox=sandbox, local=local, without=names)


def build() -> Any:
    """Return the command line, ready to be called with arguments."""
    app = typer.Typer(
        cls=LazyGroup,
        invoke_without_command=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_setup)
    return lighten(typer.main.get_command(app))


def single(name: str, run: Any) -> typer.Typer:
    """Return one function as a command of its own."""
    app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    app.command(name)(run)
    return app
