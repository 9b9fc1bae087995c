"""A campus with ``alert serve``, and a hand that types at the prompts of its commands."""

import contextlib
import os
import pty
import select
import signal
import time

from campus import Campus, until


def bare_campus(home, box, kind=Campus):
    """Return a campus that speaks to the stand-ins without knowing of them."""
    box.fresh()
    http, host, port = box.record["http_url"], box.record["smtp_host"], box.record["smtp_port"]
    bare = {"username": None, "password": None, "tls": "none", "host": host, "port": port}
    web = {"base_url": http}
    made = kind(home, None, x=web, facebook=web, sms=web, email=bare)
    made.given = box
    return made


#: Makes a command go its whole way, and means nothing else.
WHOLE = "--without="


@contextlib.contextmanager
def serving(campus, *words):
    process = campus.start(*words, "serve", "--json")
    process.stdout.readline()
    until(lambda: campus.sender() == process.pid, 10, "serve does not own the ledger")
    until((campus.state / "engine.sock").exists, 10, "serve does not listen")
    yield process
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGCONT)
        process.terminate()
    process.wait(20)


def typed(campus, *words, answer, before_answer=lambda: None, after_answer=lambda _: None):
    """Run a command on a terminal, type an answer at each of its prompts, and return its code and what was shown."""
    ours, theirs = pty.openpty()
    process = campus.start(*words, stdin=theirs, stdout=theirs, stderr=theirs, env={"TERM": "xterm-256color"})
    os.close(theirs)
    said, asked, deadline = b"", 0, time.monotonic() + 30
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 0.2)[0]:
            if process.poll() is not None:
                break
            continue
        try:
            part = os.read(ours, 65_536)
        except OSError:
            break
        said += part
        if said.count(b" to send (") > asked:
            asked += 1
            before_answer()
            os.write(ours, answer)
        if asked and said.rstrip().endswith(b"to send it alone:"):
            os.write(ours, b"hazard\n")
            after_answer(process)
    os.close(ours)
    return process.wait(20), said.decode()
