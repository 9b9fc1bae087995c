"""Where credentials come from: the environment, a file, or what systemd hands over; never the configuration.

A credential is repeated nowhere, and neither is the path of its file: a pasted secret looks like one.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from alerting.secret import Secret

if TYPE_CHECKING:
    from alerting.channels.settings import SecretResolver

_SIZE_MOST: Final = 65_536  # bytes
#: Reading by the file's own group is how services share one (root:alerting 0640).
_TOO_OPEN: Final = stat.S_IRWXO | stat.S_IWGRP

#: Where systemd puts what ``LoadCredential=`` names, for one unit.  systemd.exec(5), "Credentials"
_DIRECTORY: Final = "CREDENTIALS_DIRECTORY"

Source = Literal["env", "file", "credential"]


def resolver(environ: Mapping[str, str], config: Path, *, sandbox: bool) -> SecretResolver:
    """Return who looks credentials up for a configuration file: invented ones for a sandbox."""
    return SandboxSecrets() if sandbox else Secrets(environ, config.absolute().parent)


def _refused(what: str, fix: str) -> ValueError:
    # Imported here: the library behind it is heavy, and mostly nothing is refused.
    from alerting.channels.settings import refused

    return refused(what, fix)


class Secrets:
    """The real ones. Paths are relative to ``folder``."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._environ = environ
        self._folder = folder

    def resolve(self, *, source: Source, name: str, field: str) -> Secret:  # noqa: ARG002
        """Return the secret of a reference; raises what ``refused`` makes when there is none."""
        match source:
            case "env":
                return self._variable(name)
            case "credential":
                return self._credential(name)
            case _:
                return self._file(name)

    def _variable(self, name: str) -> Secret:
        text = self._environ.get(name)
        if text is None:
            raise _refused(f"the variable {name} is not set", "set it, or write {file: PATH}")
        if not text.strip():
            raise _refused(f"the variable {name} is empty", "set it to the secret")
        return Secret(text)

    def _credential(self, name: str) -> Secret:
        """Return what this unit was handed over by that name: one file serves every unit."""
        folder = self._environ.get(_DIRECTORY)
        if not folder:
            raise _refused(
                f"there are no credentials of systemd here ({_DIRECTORY} is not set)",
                "start it by a unit with LoadCredential=, or set the variable to the folder that holds them",
            )
        path = Path(folder) / name
        try:
            there = (self._folder / path).is_file()
        except OSError:
            there = True  # reading it will say why it cannot be
        if not there:
            raise _refused(
                f"no credential of that name is in {_DIRECTORY}", "name it in LoadCredential= of the unit"
            )
        return self._file(str(path))

    def _file(self, name: str) -> Secret:
        try:
            path = self._folder / name
            mode = path.stat().st_mode
            raw = path.read_bytes()[: _SIZE_MOST + 1] if stat.S_ISREG(mode) else b""
        except (OSError, ValueError) as wrong:
            why = getattr(wrong, "strerror", None) or "not a path"
            raise _refused(
                f"the secret's file cannot be read ({why})", "write a path from this folder"
            ) from None
        if not stat.S_ISREG(mode):
            raise _refused("the secret's file is not a file", "write the path of a file")
        if mode & _TOO_OPEN:
            raise _refused("everybody can read the secret's file", "run chmod 600 on it")
        return self._text(raw)

    def _text(self, raw: bytes) -> Secret:
        try:
            text = raw.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError:
            raise _refused("the secret's file is not text", "save it as UTF-8") from None
        if not text.strip():
            raise _refused("the secret's file is empty", "put the secret into it")
        if len(raw) > _SIZE_MOST:
            raise _refused("the secret's file is too large to be one", "write the path of another")
        return Secret(text)


class SandboxSecrets:
    """Invented ones. Real credentials are never handed to a sandbox, even where there are some."""

    def resolve(self, *, source: Source, name: str, field: str) -> Secret:  # noqa: ARG002
        """Return ``sandbox-`` and the field's name."""
        return Secret(f"sandbox-{field}")


class NoSecrets:
    """None at all, for channels that are off: they are checked without theirs."""

    def resolve(self, *, source: Source, name: str, field: str) -> Secret:  # noqa: ARG002
        """Return a secret that opens nothing."""
        return Secret(f"off-{field}")
