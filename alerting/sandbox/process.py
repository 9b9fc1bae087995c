"""The sandbox as a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

#: The environment variable that carries the token callbacks are signed with.
CALLBACK_TOKEN_VARIABLE: Final = "ALERTING_SANDBOX_CALLBACK_TOKEN"  # noqa: S105
POLL_S: Final = 0.02


class SandboxFailed(RuntimeError):
    """The sandbox did not come up; the message holds what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxHandle:
    """A running sandbox: where it listens and how to stop it."""

    pid: int
    http_url: str
    smtp_host: str
    smtp_port: int
    _process: subprocess.Popen[bytes] = field(repr=False)

    def stop(self, *, timeout_s: float = 5.0) -> int:
        """End the process, by its pid; returns its exit code. May be called twice."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    *,
    seed: int = 0,
    faults: Mapping[str, Any] | list[Any] | Path | None = None,
    http_port: int = 0,
    smtp_port: int = 0,
    callback_auth_token: str | None = None,
    idle_exit_s: float | None = 3600.0,
    timeout_s: float = 10.0,
) -> SandboxHandle:
    """Start `python -m alerting.sandbox` and wait until it listens.

    `faults` is a script as plain data or the path of a JSON file. Whoever starts it should stop it;
    one that was forgotten leaves after `idle_exit_s` without a request.

    Raises:
        SandboxFailed: it ended, or was not ready within `timeout_s`.
    """
    with tempfile.TemporaryDirectory(prefix="alerting-sandbox-") as folder:
        ready = Path(folder, "ready.json")
        arguments = ["--seed", str(seed), "--http-port", str(http_port), "--smtp-port", str(smtp_port)]
        arguments += ["--ready-file", str(ready)]
        if faults is not None:
            arguments += ["--faults", str(_script_file(faults, Path(folder)))]
        if idle_exit_s is not None:
            arguments += ["--idle-exit", str(idle_exit_s)]
        environment = {**os.environ}
        if callback_auth_token is not None:
            environment[CALLBACK_TOKEN_VARIABLE] = callback_auth_token
        said = Path(folder, "stderr.txt")
        with said.open("wb") as stderr:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "alerting.sandbox", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        found = _await_ready(process, ready, said, timeout_s)
    return SandboxHandle(
        pid=process.pid,
        http_url=found["http_url"],
        smtp_host=found["smtp_host"],
        smtp_port=found["smtp_port"],
        _process=process,
    )


def write_ready(path: Path, found: Mapping[str, Any]) -> None:
    """Write the ready file so that a reader sees all of it or nothing."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(found), encoding="utf-8")
    partial.replace(path)


def _script_file(faults: Mapping[str, Any] | list[Any] | Path, folder: Path) -> Path:
    if isinstance(faults, Path):
        return faults
    path = folder / "faults.json"
    path.write_text(json.dumps(faults), encoding="utf-8")
    return path


def _await_ready(
    process: subprocess.Popen[bytes], ready: Path, said: Path, timeout_s: float
) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads(ready.read_text(encoding="utf-8"))
            return found
        if process.poll() is not None:
            words = said.read_text(encoding="utf-8", errors="replace").strip()
            raise SandboxFailed(f"The sandbox ended with code {process.returncode}: {words}")
        time.sleep(POLL_S)
    process.kill()
    process.wait()
    raise SandboxFailed(f"The sandbox was not ready after {timeout_s:g} s")
