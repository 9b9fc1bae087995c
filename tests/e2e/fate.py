"""The real command, with one of its own functions replaced by what fate might do."""

import subprocess
import sys


def meddled(campus, patch, *args, code):
    """Run the command with something of its own replaced by what fate might do."""
    program = f"import os, signal\n{patch}\nfrom alerting.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", program, *campus.words(*args)[1:]],
        cwd=campus.home,
        env=campus.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


def named_and_sent(campus, done):
    """The only alert on record is the one that the command named, and it is sent; its id."""
    [record] = campus.alerts()
    assert f"{record.alert.id} is being sent" in done.stdout
    campus.settled(record.alert.id)
    return record.alert.id
