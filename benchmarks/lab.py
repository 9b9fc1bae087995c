"""Where things are measured: stand-ins on one core, what is measured on another, each in its process."""

from __future__ import annotations

import compileall
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import certifi

_READY_S = 20.0
_LONGEST_S = 900.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took, from outside: start-up, work and end."""

    cpu_s: float
    wall_s: float
    rss_mib: float
    process: int = 0


@dataclass(frozen=True, slots=True)
class StandIn:
    """A process that plays a provider."""

    port: int
    tls: bool = False

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def ask(self, path: str) -> dict[str, float]:
        import ssl

        context = ssl._create_unverified_context() if self.tls else None  # noqa: SLF001 - our own, on loopback
        with urllib.request.urlopen(f"{self.url}/{path}", timeout=10, context=context) as answer:
            return dict(json.load(answer))


class Lab:
    """A folder, a certificate, and cores to pin to where the machine has two."""

    def __init__(self, folder: Path, *, pairs: int, quick: bool) -> None:
        self.folder, self.pairs, self.quick = folder, pairs, quick
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self._client, self._server = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
        self._environ = {**os.environ, "BENCH_TOKEN": "t" * 32, "PYTHONHASHSEED": "0"}
        self._environ["PYTHONPATH"] = str(Path(__file__).parents[1])
        # An installed program has its bytecode, and so have the peers' libraries here: ours is made as well.
        self._environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for name in ("alerting", "benchmarks"):
            compileall.compile_dir(Path(__file__).parents[1] / name, quiet=2)
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            self._environ.pop(name, None)

    def certificate(self) -> tuple[Path, Path]:
        """Make a certificate for 127.0.0.1 that every client here trusts, and return it with its key.

        They trust it beside the usual authorities, as in life: reading those takes time, for some once,
        for some with each connection.
        """
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        if not cert.exists():
            command = (
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=stub"
            )
            subprocess.run(
                [
                    "openssl",
                    *command.split(),
                    "-addext",
                    "subjectAltName=IP:127.0.0.1",
                    "-keyout",
                    key,
                    "-out",
                    cert,
                ],
                check=True,
                capture_output=True,
            )
            trusted = self.folder / "trusted.pem"
            trusted.write_bytes(Path(certifi.where()).read_bytes() + cert.read_bytes())
            for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
                self._environ[name] = str(trusted)
        return cert, key

    @contextmanager
    def stand_in(self, module: str, *options: str) -> Iterator[StandIn]:
        """Run a stand-in while the block runs; it is ended by its own process id."""
        ready = self.folder / f"ready-{time.monotonic_ns()}"
        core = [] if self._server is None else ["--core", str(self._server)]
        command = [sys.executable, "-m", f"benchmarks.{module}", "--ready", str(ready), *core, *options]
        process = subprocess.Popen(command, env=self._environ, cwd=self.folder)
        try:
            until = time.monotonic() + _READY_S
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{module} did not start")
                time.sleep(0.02)
            yield StandIn(json.loads(ready.read_text())["port"], tls="--tls" in options)
        finally:
            process.terminate()
            process.wait()

    def cost(
        self, *words: str, codes: Sequence[int] = (0,), environ: Mapping[str, str] | None = None
    ) -> Cost:
        """Run ``python WORDS`` to its end, pinned, and return what it took; ``environ`` adds variables."""
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *words],
            env={**self._environ, **(environ or {})},
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=self._pin,  # noqa: PLW1509 - this program has one thread
        )
        signal.alarm(int(_LONGEST_S))
        assert process.stderr
        with process.stderr:
            told = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        signal.alarm(0)
        if process.returncode not in codes:
            raise RuntimeError(f"{' '.join(words)}: {told.decode()[-2000:]}")
        wall = time.perf_counter() - began
        return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, process.pid)

    def surroundings(self) -> dict[str, Any]:
        """Return how a process is started here, for those that are talked to while they run."""
        return {"env": self._environ, "cwd": self.folder, "preexec_fn": self._pin}

    @staticmethod
    def end(marker: str) -> None:
        """End what was left running by a command that has the marker, a path of ours, among its words."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if marker.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                    os.kill(int(path.parent.name), signal.SIGKILL)
            except OSError:
                continue

    def told(self, *words: str) -> float:
        """Run ``python WORDS``, pinned, and return the number it prints."""
        done = subprocess.run(
            [sys.executable, *words],
            env=self._environ,
            cwd=self.folder,
            capture_output=True,
            timeout=_LONGEST_S,
            check=False,
            preexec_fn=self._pin,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.decode()[-2000:]}")
        return float(done.stdout)

    def _pin(self) -> None:
        if self._client is not None:
            os.sched_setaffinity(0, {self._client})

    def pairs_of(self, *ways: Callable[[], float], times: int | None = None) -> list[list[float]]:
        """Run the ways in turn, several rounds; return each way's figures in order of rounds."""
        rounds = [[way() for way in ways] for _ in range(times or self.pairs)]
        return [list(column) for column in zip(*rounds, strict=True)]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
