"""The steps of a Dockerfile, one after the other, in a folder: what a container engine would do, without one.

A stage is made under one path, whatever its number, since what is installed knows where it lies; a finished
stage is put aside for ``COPY --from``. Left out: the base image (the Python at hand stands for it), another
user, and walls. Owners are noted, not given, so that nobody need be root.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

#: Paths of the image that lie in its folder here; any other path is this machine's.
_OURS = re.compile(r"(?<![\w./-])/(?=(?:opt/alerting|src|etc/alerting|var/lib/alerting|run/secrets)\b)")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
#: Lets installed packages of the running Python stand for those of the lock.
_BORROWED = "borrowed.pth"

_USERADD = '#!/bin/sh\necho "$@" >> "$NOTED/useradd"\n'
_INSTALL = """#!/bin/sh
echo "$@" >> "$NOTED/install"
exec /usr/bin/install $(echo " $*" | sed 's/ -[og] [0-9]*//g')
"""


def instructions(text):
    """Return the instructions of a Dockerfile as (name, rest), lines that go on joined."""
    lines = (line.strip() for line in text.replace("\\\n", " ").splitlines())
    return [tuple(line.split(maxsplit=1)) for line in lines if line and not line.startswith("#")]


class Image:
    """What the steps have made. ``context`` is the folder that is copied from; ``complete`` installs the lock."""

    def __init__(self, folder, context, *, complete):
        self.root, self._context, self._complete = folder / "image", context, complete
        self._stages, self._tools = folder / "stages", folder / "tools"
        self.noted = folder / "noted"
        self.env, self.user, self.entrypoint, self.command = {}, "", [], []
        self.health, self.stop_signal, self.ports, self.volumes = [], "", [], []
        self._stage = ""
        for made in (self._stages, self._tools, self.noted):
            made.mkdir(parents=True)
        for name, script in (("useradd", _USERADD), ("install", _INSTALL)):
            (self._tools / name).write_text(script)
            (self._tools / name).chmod(0o755)
        (self._tools / "python").symlink_to(sys._base_executable)

    def build(self, text):
        """Take every step; one that is not known here fails."""
        for name, rest in instructions(text):
            step = getattr(self, f"_{name.lower()}", None)
            assert step is not None, f"{name}: a step that is not checked here; teach it to image_steps.py"
            step(rest)
        return self

    def here(self, text):
        """Return a text with the image's paths as they are here."""
        return _OURS.sub(f"{self.root}/", text)

    def run(self, words, **given):
        """Start a command as the engine would: the image's environment and nothing else, in its top folder."""
        env = {"HOME": str(self.root), "LANG": "C.UTF-8", **self._surroundings()}
        words = [self.here(word) for word in words]
        found = shutil.which(words[0], path=env["PATH"])
        assert found, f"{words[0]} is not in the image's PATH"
        return subprocess.Popen([found, *words[1:]], cwd=self.root, env=env, **given)

    def files(self):
        """Return every file of the image with its size and the time of its last change."""
        found = ((path, path.lstat()) for path in self.root.rglob("*") if not path.is_dir())
        return {str(path.relative_to(self.root)): (told.st_size, told.st_mtime_ns) for path, told in found}

    def _surroundings(self):
        told = {name: self.here(value) for name, value in self.env.items()}
        return {"PATH": f"{self._tools}:/usr/bin:/bin", **told}

    # -- the steps --------------------------------------------------------------------------------

    def _arg(self, rest):
        assert rest.partition("=")[2], "an argument without a value"

    def _from(self, rest):
        if self._stage:
            shutil.move(self.root, self._stages / self._stage)
        self._stage = rest.partition(" AS ")[2] or "last"
        self.root.mkdir()
        self.env, self.user = {}, ""

    def _env(self, rest):
        before = {"PATH": f"{self._tools}:/usr/bin:/bin", **self.env}
        told = dict(word.split("=", 1) for word in shlex.split(rest))
        self.env |= {n: _VARIABLE.sub(lambda m: before[m[1]], value) for n, value in told.items()}

    def _run(self, rest):
        if "--require-hashes" in rest and not self._complete:
            self._borrow(rest)
            return
        env = {**self._surroundings(), "NOTED": str(self.noted), "HOME": str(self.root)}
        if self._complete:  # how packages are reached from here, as it is told to pip everywhere
            env |= {
                n: v for n, v in os.environ.items() if n.lower().startswith(("pip_", "http", "ssl_", "no_p"))
            }
        done = subprocess.run(
            ["sh", "-euc", self.here(rest)],
            cwd=self.root,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    def _borrow(self, rest):
        """Instead of downloading: let the venv see what is installed already, where that is what the lock names."""
        words = shlex.split(self.here(rest))
        lock = Path(words[words.index("-r") + 1])
        assert not unlike(lock.read_text("utf-8"))
        [packages] = Path(words[0]).parents[1].glob("lib/python*/site-packages")
        known = [path for path in sys.path if path.endswith("site-packages")]
        (packages / _BORROWED).write_text("\n".join(known) + "\n")

    def _copy(self, rest):
        *sources, target = shlex.split(rest)
        base = self._context
        if sources[0].startswith("--from="):
            base = self._stages / sources.pop(0).removeprefix("--from=")
        for source in sources:
            origin, to = base / source.lstrip("/"), self.root / target.lstrip("/")
            if origin.is_dir():
                unwanted = shutil.ignore_patterns("__pycache__")
                shutil.copytree(origin, to, symlinks=True, ignore=unwanted, dirs_exist_ok=True)
            else:
                to = to / origin.name if target.endswith("/") else to
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(origin, to)

    def _label(self, rest):
        assert all("=" in word for word in shlex.split(rest))

    def _user(self, rest):
        self.user = rest

    def _volume(self, rest):
        self.volumes.append(rest)
        assert (self.root / rest.lstrip("/")).is_dir(), f"{rest} is nowhere"

    def _expose(self, rest):
        self.ports += rest.split()

    def _stopsignal(self, rest):
        self.stop_signal = rest

    def _healthcheck(self, rest):
        self.health = json.loads(rest.partition(" CMD ")[2])

    def _entrypoint(self, rest):
        self.entrypoint = json.loads(rest)

    def _cmd(self, rest):
        self.command = json.loads(rest)


def unlike(lock):
    """Return what is installed in another version than a lock names, or not at all."""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import Requirement

    wrong = []
    for line in lock.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        wanted = Requirement(line.partition(" --hash")[0])
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        try:
            found = version(wanted.name)
        except PackageNotFoundError:
            found = ""
        if not wanted.specifier.contains(found or "0"):
            wrong.append((line.split()[0], found))
    return wrong
