"""Reading ``channels.yaml``: everything that is wrong with it at once, or a ``Config``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alerting.config.model import (
    AudienceFile,
    Campus,
    Config,
    Defaults,
    LedgerAt,
    OnCall,
    Publish,
    Reach,
    Retry,
    suggestion,
)
from alerting.errors import ConfigProblem, Problem, UsageProblem

if TYPE_CHECKING:
    from alerting.channels.registry import Registry
    from alerting.channels.settings import SecretResolver
    from alerting.config.channels import Lanes
    from alerting.config.lines import Document
    from alerting.config.sections import File


#: What ``live`` stands for.
_PURPOSE: Final[Mapping[bool | None, str]] = {True: "real alerts", False: "exercises", None: "anything"}


def load(
    path: Path,
    *,
    environ: Mapping[str, str],
    sandbox: bool = False,
    live: bool | None = True,
    without: Collection[str] = (),
    registry: Registry | None = None,
    secrets: SecretResolver | None = None,
) -> Config:
    """Read and check the configuration file.

    ``live`` picks the channels that may be used: True those for real alerts, False those for exercises,
    None both. ``without`` names channels that are left out whatever the file says of them. Credentials
    are looked up for the others only, in ``environ`` and in files; with ``sandbox`` they are invented.
    ``secrets`` looks them up instead, where it is given.

    Raises:
        ConfigProblem: the file cannot be used; it lists every problem, each with its line.
        UsageProblem: ``without`` names a channel that the file does not have.
    """
    # yaml and pydantic are heavy: only a command that reads the file pays for them.
    from alerting.channels.registry import Registry
    from alerting.config import channels, lines, references
    from alerting.config.checked import checked
    from alerting.config.secrets import resolver
    from alerting.config.sections import File

    raw = _bytes(path)
    document = lines.read(raw, str(path))
    if not isinstance(document.data, dict):
        raise ConfigProblem(document.problem((), "", "not a group of fields", "begin with version: 1"))
    file = checked(File, document.data, document)
    secrets = secrets or resolver(environ, path, sandbox=sandbox)
    lanes = channels.read(document, registry or Registry(), secrets, live=live, without=without)
    document.problems.extend(references.problems(document))
    if file is None or document.problems:
        raise ConfigProblem(*sorted(document.problems, key=_line_of))
    if unknown := [name for name in without if name not in lanes.off]:
        known = [channel.name for channel in lanes.settings]
        raise UsageProblem(
            *(
                Problem(where="--without", what=f'no channel "{n[:40]}"', fix=suggestion(n, known))
                for n in unknown
            )
        )
    if not lanes.settings:
        what = f"no channel may be used for {_PURPOSE[live]}"
        raise ConfigProblem(document.problem(("channels",), "channels", what, "see enabled and mode of each"))
    return _config(path, raw, file, document, lanes)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as wrong:
        what = (wrong.strerror or "cannot be read").lower()
        fix = "run the command in the folder that has the file, or name another"
        raise ConfigProblem(Problem(where=str(path), what=what, fix=fix)) from wrong


def _line_of(problem: Problem) -> int:
    number = problem.where.partition(": ")[0].rpartition(":")[2]
    return int(number) if number.isdecimal() else 0


def digest_of(raw: bytes) -> str:
    """Return the SHA-256 of a file in hex."""
    import hashlib

    return hashlib.sha256(raw).hexdigest()


def _config(path: Path, raw: bytes, file: File, document: Document, lanes: Lanes) -> Config:
    folder = path.absolute().parent
    audiences = _audiences(file, folder)
    usable = [channel.name for channel in lanes.settings]
    chosen = file.defaults.channels or usable
    return Config(
        path=path.absolute(),
        digest=digest_of(raw),
        campus=Campus(**{**file.campus.model_dump(), "places": tuple(file.campus.places)}),
        state=folder / file.state,
        templates=folder / file.templates,
        operators=folder / file.operators if file.operators else None,
        audiences=audiences,
        defaults=Defaults(
            channels=tuple(name for name in chosen if name in usable),
            audience=file.defaults.audience or next(iter(audiences), ""),
        ),
        retry=Retry(**file.retry.model_dump()),
        checkpoints=folder / file.audit.checkpoints if file.audit.checkpoints else None,
        retain_days=file.audit.retain_days,
        publish=_publish(file, folder),
        on_call=_on_call(file, folder),
        channels=tuple(lanes.settings),
        ledger=_ledger(file, document),
        off=lanes.off,
        callbacks=_reach(file),
        monitor=_place(file.monitor.listen) if file.monitor else None,
        warnings=(*lanes.warnings, *_warnings(document, file, audiences, lanes)),
    )


def _ledger(file: File, document: Document) -> LedgerAt | None:
    if file.ledger is None:
        return None
    where = document.problem(("ledger",), "ledger", "").where
    return LedgerAt(source=file.ledger.source, name=file.ledger.name, where=where)


def _publish(file: File, folder: Path) -> Publish:
    host = file.campus.link.partition("://")[2].partition("/")[0]
    return Publish(
        feed=folder / file.publish.feed if file.publish.feed else None,
        sender=file.publish.sender or host or "campus",
        url=file.publish.url or file.campus.link,
    )


def _on_call(file: File, folder: Path) -> OnCall | None:
    told = file.on_call
    if told is None:
        return None
    return OnCall(
        roster=folder / told.roster,
        calendar=_place_of(told.calendar, folder),
        channels=tuple(told.channels or ()),
        escalate_after=timedelta(minutes=told.escalate_after_minutes),
        probe_every=timedelta(minutes=told.probe_every_minutes),
        signal=_place_of(told.signal, folder),
    )


def _place_of(address: str, folder: Path) -> str:
    """Return an address as it is, a file's path as one in the configuration's folder."""
    if not address or address.startswith("$") or ":" in address.partition("/")[0]:
        return address
    return str(folder / address)


def _reach(file: File) -> Reach | None:
    if file.callbacks is None:
        return None
    host, port = _place(file.callbacks.listen)
    return Reach(public_url=file.callbacks.public_url, host=host, port=port)


def _place(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def _audiences(file: File, folder: Path) -> dict[str, AudienceFile]:
    return {
        name: AudienceFile(
            name=name,
            csv=folder / section.csv,
            region=section.region or file.campus.region,
            groups=tuple(section.groups),
        )
        for name, section in file.audiences.items()
    }


def _warnings(
    document: Document, file: File, audiences: Mapping[str, AudienceFile], lanes: Lanes
) -> Iterator[Problem]:
    for name, audience in audiences.items():
        if not _is_file(audience.csv):
            label = f"audiences.{name}.csv"
            fix = "put the list there"
            yield document.problem(("audiences", name, "csv"), label, "there is no such file", fix)
    for index, name in enumerate(file.defaults.channels or ()):
        if name in lanes.off:
            what = f"{name} is left out: {lanes.off[name]}"
            yield document.problem(("defaults", "channels", index), "defaults.channels", what)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for the file system, a folder that may not be entered
        return False
