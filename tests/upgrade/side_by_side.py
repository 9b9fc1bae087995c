"""Run an older program beside this one: ``python tests/upgrade/side_by_side.py OLDER``, a tree of the project.

``git archive REVISION | tar -x -C OLDER`` makes such a tree. What is shown is printed a line a step; the
first thing that is not as it must be ends it. ``--newer TREE`` takes another program than this one.
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
from contextlib import closing
from pathlib import Path

HERE = Path(__file__).parents[2]
sys.path[:0] = [str(HERE), str(HERE / "tests" / "e2e")]

from campus import Box  # noqa: E402  # found beside us only from here on
from two_versions import OneHost, Shared, version_of  # noqa: E402

from alerting.sandbox.process import start  # noqa: E402
from alerting.testing.postgres import PostgresServer  # noqa: E402


def main():
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("older", type=Path)
    given.add_argument("--newer", type=Path, default=HERE)
    given.add_argument("--people", type=int, default=600)
    told = given.parse_args()
    trees = {"older": told.older.resolve(), "newer": told.newer.resolve()}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name, start(seed=7, idle_exit_s=300) as handle:
        box, folder = Box(handle), Path(name)
        with closing(PostgresServer(port)) as server:
            address = server.start().address
            shared = Shared(folder, box, address, people=told.people, say=print, **trees)
            with closing(shared):
                shared.cross(shared.widen())
                shared.prove()
                shared.narrow()
        if version_of(trees["older"], "sqlite") < version_of(trees["newer"], "sqlite"):
            with closing(OneHost(folder / "alone", box, people=told.people, say=print, **trees)) as alone:
                alone.follow()
                alone.rest()


if __name__ == "__main__":
    main()
