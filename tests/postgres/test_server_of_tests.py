"""The PostgreSQL that tests start for themselves leaves nothing behind, however a run ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from alerting.testing.postgres import clear_shelf

RUN = """
import socket, sys, time
from alerting.testing.postgres import PostgresServer
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
server = PostgresServer(port).start()
print(port, server.folder, flush=True)
time.sleep(60)
"""


def listens(port):
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def test_a_server_ends_with_the_run_that_started_it_and_the_next_run_takes_its_folder_away():
    run = subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True)
    try:
        port, folder = run.stdout.readline().split()
        assert listens(int(port))
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait(10)
        run.stdout.close()
    until = time.monotonic() + 10
    while listens(int(port)):
        assert time.monotonic() < until, "the server outlived its run"
        time.sleep(0.02)
    clear_shelf(Path(folder).parent)
    assert not Path(folder).exists()


def test_only_folders_of_the_dead_are_taken_away(tmp_path):
    ours, other = tmp_path / f"alert-pg-{os.getpid()}-abc", tmp_path / "alert-pg-data"
    dead = tmp_path / "alert-pg-4194305-abc"  # above the largest number Linux gives a process
    for folder in (ours, other, dead):
        folder.mkdir()
    clear_shelf(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([ours, other])
