"""`python -m alerting.sandbox`: the sandbox until somebody stops it."""

import argparse
import asyncio
import os
import signal
import ssl
import sys
from pathlib import Path
from typing import Final

from alerting.sandbox.process import CALLBACK_TOKEN_VARIABLE, write_ready
from alerting.sandbox.script import Script, ScriptError
from alerting.sandbox.server import Sandbox

#: Usage, configuration or a port that is taken.
REFUSED: Final = 2
IDLE_CHECKS: Final = 4


def main(arguments: list[str] | None = None) -> int:
    """Run the sandbox; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        sandbox = Sandbox(
            seed=options.seed,
            faults=Script.load(options.faults) if options.faults else None,
            host=options.host,
            http_port=options.http_port,
            smtp_port=options.smtp_port,
            callback_auth_token=os.environ.pop(CALLBACK_TOKEN_VARIABLE, None),
            tls=_tls(options.tls_cert, options.tls_key),
        )
        asyncio.run(_run(sandbox, options))
    except ScriptError as error:
        return _refuse(str(error))
    except ssl.SSLError as error:
        return _refuse(f"{options.tls_cert}: not a certificate with its key ({error.reason})")
    except OSError as error:
        asked = f"HTTP port {options.http_port}, SMTP port {options.smtp_port}"
        return _refuse(f"The sandbox cannot start on {options.host} ({asked}): {error.strerror or error}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m alerting.sandbox",
        description="X, Facebook, Twilio and SMTP on this machine. Nothing leaves it.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--http-port", type=int, default=0, metavar="PORT", help="0 chooses one")
    parser.add_argument("--smtp-port", type=int, default=0, metavar="PORT", help="0 chooses one")
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same faults")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="a fault script in JSON")
    parser.add_argument("--ready-file", type=Path, metavar="FILE", help="written once it listens")
    parser.add_argument("--idle-exit", type=float, metavar="SECONDS", help="leave after that long unused")
    parser.add_argument("--tls-cert", type=Path, metavar="PEM", help="offer STARTTLS with this certificate")
    parser.add_argument("--tls-key", type=Path, metavar="PEM", help="and this key")
    return parser


async def _run(sandbox: Sandbox, options: argparse.Namespace) -> None:
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    await sandbox.start()
    try:
        _announce(sandbox, options.ready_file)
        await _until(leave, sandbox, options.idle_exit)
    finally:
        await sandbox.stop()


def _announce(sandbox: Sandbox, ready_file: Path | None) -> None:
    found = {
        "pid": os.getpid(),
        "http_url": sandbox.http_url,
        "smtp_host": sandbox.smtp_host,
        "smtp_port": sandbox.smtp_port,
    }
    if ready_file:
        write_ready(ready_file, found)
    else:
        print(f"Outbox {sandbox.http_url}/  SMTP {sandbox.smtp_host}:{sandbox.smtp_port}", flush=True)  # noqa: T201


async def _until(leave: asyncio.Event, sandbox: Sandbox, idle_exit_s: float | None) -> None:
    if idle_exit_s is None:
        await leave.wait()
        return
    while not leave.is_set() and sandbox.idle_s < idle_exit_s:
        try:
            await asyncio.wait_for(leave.wait(), max(0.05, idle_exit_s / IDLE_CHECKS))
        except TimeoutError:
            continue


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


def _refuse(sentence: str) -> int:
    sys.stderr.write(sentence + "\n")
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
