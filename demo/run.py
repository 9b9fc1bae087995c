"""The demonstration: one alert, four channels, an invented campus of 2,000 phones and 2,000 mailboxes.

It starts the sandbox with the faults of ``faults.json``, sends a shipped template with the real ``alert``
command, compares what the command reports with what the sandbox received, and says where to look.
Everything it writes is in one directory of its own, and it ends every process it started.

Run ``make demo``, or ``python demo/run.py``. It answers 0 when all went as the faults let one expect.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import ProxyHandler, build_opener

from alerting.errors import Exit
from alerting.ledger.lock import RunnerLock

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
ALERT: Final = Path(sys.executable).with_name("alert")
PLACE: Final = "Baker Hall"
FAULTS: Final = HERE / "faults.json"
#: Marks a directory as one this may empty, and keeps a second demonstration out of it.
MARK: Final = "demo.lock"
WRITTEN: Final = ("state", "outbox.html", "record.jsonl")
#: What the list of people holds, and how many of them the faults refuse.
EXPECTED: Final = {
    "x-campus": (1, 0),
    "facebook-campus": (1, 0),
    "sms-main": (2_000, 2),
    "email-main": (2_000, 1),
}
_BUSY: Final = 3  # 429 answers of the burst
_READY_S: Final = 20.0
_ANSWER_S: Final = 10.0
_GONE_S: Final = 10.0
_LOOK_S: Final = 0.05
_TOLD: Final = (
    ("a phone whose owner replied STOP", "refused: reach them another way"),
    ("a desk telephone", "refused: it takes no texts"),
    ("a mailbox that was closed", "refused: it bounces"),
    ("five mailboxes that say: come back later", "tried again a little later, and taken"),
    ("Twilio says three times: too fast (429)", "the lane waits as long as it is told, then goes on"),
    ("X takes the post, but answers 503", "looked up on the timeline and found: not posted twice"),
)


class Failed(Exception):
    """The demonstration cannot go on; the message is a sentence for whoever started it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """One run of it, in a directory of its own."""

    out: Path

    @property
    def state(self) -> Path:
        """The state directory; with ``--sandbox`` the ledger is in its ``sandbox``."""
        return self.out / "state"

    def words(self, *words: str) -> list[str]:
        """Return a command line of the real ``alert``."""
        return [str(ALERT), "--config", str(ROOT / "channels.yaml"), "--state", str(self.state), *words]

    def ask(self, *words: str) -> dict[str, Any]:
        """Run a command that answers in JSON."""
        done = subprocess.run(  # noqa: S603 - our own command
            self.words(*words, "--json"), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False
        )
        try:
            return dict(json.loads(done.stdout))
        except ValueError as error:
            raise Failed(f"`alert {' '.join(words)}` answered nothing (code {done.returncode})") from error

    def watch(self, *words: str) -> int:
        """Run a command on the terminal of whoever started this; return its exit code."""
        process = subprocess.Popen(self.words(*words))  # noqa: S603 - our own command
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


def main() -> int:
    """Show it; return the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        with _alone(_out()) as out:
            return _show(Demo(out=out))
    except KeyboardInterrupt:
        say("\nStopped, and so is everything it started.")
        return 128 + signal.SIGINT
    except (Failed, OSError) as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1


def _out() -> Path:
    parser = argparse.ArgumentParser(description="Send one alert to an invented campus; nothing leaves here.")
    parser.add_argument("--out", type=Path, default=HERE / "out", help="a directory of its own")
    chosen: Path = parser.parse_args().out
    return chosen.resolve()


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _alone(out: Path) -> Iterator[Path]:
    """Hold a directory that is ours, emptied of what an earlier run left; a second run is refused."""
    mark = out / MARK
    if out.exists() and not mark.exists() and any(out.iterdir()):
        raise Failed(f"{out} holds files of somebody else; give an empty directory: --out DIRECTORY")
    out.mkdir(parents=True, exist_ok=True)
    with mark.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(f"another demonstration is running in {out}; wait for its end") from None
        _clear(Demo(out=out))
        yield out


def _clear(demo: Demo) -> None:
    """End what a killed run left behind, and remove what it wrote."""
    if demo.state.exists():
        _end_sender(demo)
        subprocess.run(  # noqa: S603 - our own command
            demo.words("--sandbox", "sandbox", "stop"), stdout=subprocess.DEVNULL, check=False
        )
    for name in WRITTEN:
        path = demo.out / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def _sandbox(demo: Demo) -> Iterator[str]:
    """Run the sandbox with its faults; yield where it listens."""
    # A session of its own: Ctrl-C is for this program, which then ends the sandbox itself.
    process = subprocess.Popen(  # noqa: S603 - our own command
        demo.words("sandbox", "--faults", str(FAULTS), "--json"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _READY_S)
        line = process.stdout.readline() if ready else b""
        if not line:
            raise Failed("the sandbox did not start")
        yield str(json.loads(line)["http_url"])
    finally:
        _end_sender(demo)
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_GONE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_sender(demo: Demo) -> None:
    """End the process that sends, if it is still at work: it outlives the command that watches it."""
    lock = RunnerLock(demo.state / "sandbox")
    for number in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + _GONE_S
        while (pid := lock.held_by()) and time.monotonic() < until:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            time.sleep(_LOOK_S)


def _show(demo: Demo) -> int:
    _introduce()
    began = time.monotonic()
    with _sandbox(demo) as url:
        say(f"What people receive, while it happens: {url}/\n")
        say(f'$ alert --sandbox send gas-leak -v place="{PLACE}" --confirm "{PLACE}"')
        code = demo.watch("--sandbox", "send", "gas-leak", "-v", f"place={PLACE}", "--confirm", PLACE)
        took = time.monotonic() - began
        if code in (Exit.USAGE, Exit.NOT_CONFIRMED, Exit.LEDGER, Exit.BUG):
            raise Failed(f"the alert was not sent (exit code {code}); the line above says why")
        alert = _newest(demo)
        standing = demo.ask("--sandbox", "status", alert)
        counts = json.loads(_fetched(f"{url}/state?section=counts"))
        _keep(demo, alert, url)
        wrong = _wrong(code, standing, counts, demo.out / "record.jsonl")
        _explain(code, wrong)
        _sum_up(standing, counts, took)
        _point(demo, alert, url)
        _linger()
    return 1 if wrong else 0


def _introduce() -> None:
    say("A gas leak on an invented campus: one X account, one Facebook page, 2,000 phones, 2,000 mailboxes.")
    say("The sandbox plays the four providers on this machine. Nothing leaves it.")
    say("Some things go wrong on purpose (demo/faults.json):")
    for fault, ending in _TOLD:
        say(f"  - {fault}: {ending}")
    say("Nine rows of the list cannot be used, and two people are on it twice. The rest goes.\n")


def _newest(demo: Demo) -> str:
    alerts = demo.ask("--sandbox", "status")["alerts"]
    if not alerts:
        raise Failed("no alert is on record, so none was sent")
    return str(alerts[0]["alert"])


def _fetched(url: str) -> bytes:
    # A proxy of the environment has no business between this program and its own machine.
    with build_opener(ProxyHandler({})).open(url, timeout=_ANSWER_S) as answer:
        return bytes(answer.read())


def _keep(demo: Demo, alert: str, url: str) -> None:
    """Save what people received and what the ledger holds."""
    (demo.out / "outbox.html").write_bytes(_fetched(f"{url}/outbox.html"))
    demo.ask("--sandbox", "export", alert, "--out", str(demo.out / "record.jsonl"), "--force")


def _wrong(code: int, standing: dict[str, Any], counts: dict[str, Any], record: Path) -> list[str]:
    """Compare what was said, what was received and what is on record; return what does not agree."""
    found = {one["channel"]: one for one in standing["channels"]}
    looks: list[tuple[str, object, object]] = [("the exit code", int(Exit.PARTIAL), code)]
    for channel, (total, failed) in EXPECTED.items():
        one = found.get(channel, {})
        told = tuple(one.get(word) for word in ("total", "accepted", "failed", "uncertain", "waiting"))
        looks.append((f"{channel}: total, accepted, failed, uncertain, waiting", _row(total, failed), told))
    texts, mails = (total - failed for total, failed in (EXPECTED["sms-main"], EXPECTED["email-main"]))
    looks += [
        ("posts the sandbox has", 2, counts["posts"]),
        ("texts, and phones that got one", (texts, texts), (counts["texts"], counts["phones"])),
        (
            "mails, and mailboxes that got one",
            (mails, mails),
            (counts["mail_recipients"], counts["mailboxes"]),
        ),
        ("how often each fault struck", [1, _BUSY], sorted(counts["fired"].values())),
        ("how the post on X was settled", "found", _settled(record, "x-campus")),
    ]
    return [f"{what}: {wanted} was expected, {got} found" for what, wanted, got in looks if wanted != got]


def _row(total: int, failed: int) -> tuple[int, ...]:
    return (total, total - failed, failed, 0, 0)


def _settled(record: Path, channel: str) -> str:
    """Return the last outcome on record for a channel of one delivery."""
    outcome = ""
    for line in record.read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        if fields["kind"] == "attempt" and fields["channel"] == channel:
            outcome = str(fields["outcome"])
    return outcome


def _explain(code: int, wrong: list[str]) -> None:
    if wrong:
        say(f"\nThe command left with exit code {code}. This is NOT what the faults let one expect:")
        for line in wrong:
            say(f"  - {line}")
        return
    say(f"\nExit code {code} means: some deliveries failed. Here that is right. The three that failed")
    say("were made to fail, and whoever refused them would refuse again. Everybody else was reached.")


def _sum_up(standing: dict[str, Any], counts: dict[str, Any], took: float) -> None:
    channels = standing["channels"]
    total, accepted, failed, uncertain = (
        sum(one[word] for one in channels) for word in ("total", "accepted", "failed", "uncertain")
    )
    twice = counts["texts"] - counts["phones"] + counts["mail_recipients"] - counts["mailboxes"]
    say(
        f"Summary: {total:,} messages in {took:.0f} s: {accepted:,} accepted, {failed} failed,"
        f" {uncertain} uncertain."
    )
    say(
        f"The sandbox counted {counts['posts']} posts, {counts['texts']:,} texts,"
        f" {counts['mail_recipients']:,} mails; {twice} people got one twice.\n"
    )


def _point(demo: Demo, alert: str, url: str) -> None:
    say("Where to look")
    if sys.stdin.isatty():
        say(f"  what each reader sees, live   {url}/")
    say(f"  what each reader sees, saved  {_near(demo.out / 'outbox.html')}")
    say(f"  the record, line by line      {_near(demo.out / 'record.jsonl')}")
    say(f"  the status table again        alert --sandbox --state {_near(demo.state)} status {alert}")


def _near(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _linger() -> None:
    """Leave the sandbox running for as long as somebody looks at it."""
    if not sys.stdin.isatty():
        return
    say("\nThe sandbox goes on until you press Enter.")
    sys.stdin.readline()


def say(text: str = "") -> None:
    """Print a line, before whatever a child prints next."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
