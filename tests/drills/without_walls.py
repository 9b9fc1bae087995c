"""Run each wall's test against a copy of the program that lacks the wall; print the exit codes as JSON.

Everything that is not the program is imported once; each run is a fork of that.
"""

import json
import os
import sys
from pathlib import Path

import dateutil.rrule  # noqa: F401
import email_validator  # noqa: F401
import jinja2  # noqa: F401
import phonenumbers  # noqa: F401
import pydantic  # noqa: F401
import pytest
import tenacity  # noqa: F401
import twilio.rest  # noqa: F401
import yaml  # noqa: F401


def run(root, name, stands, without, test):
    """Take the wall away, run the test in a fork, put the wall back."""
    path = Path("alerting") / name
    whole = path.read_text()
    path.write_text(whole.replace(stands, without) if stands else whole)
    child = os.fork()
    if child == 0:
        os.dup2(2, 1)
        words = [
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "-p",
            "pytest_asyncio.plugin",
            "-c",
            f"{root}/pyproject.toml",
        ]
        os._exit(pytest.main([*words, f"{root}/tests/{test}"]))
    _, status = os.waitpid(child, 0)
    path.write_text(whole)
    return os.waitstatus_to_exitcode(status)


def main():
    root = sys.argv[1]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.path[:] = [str(Path.cwd()), *(p for p in sys.path if p != root)]
    jobs = json.loads(Path("jobs.json").read_text())
    found = {wall: run(root, *job) for wall, job in jobs.items()}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
