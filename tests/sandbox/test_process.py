import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests

from alerting.sandbox import process


def test_a_process_starts_soon_listens_and_stops_by_its_pid():
    began = time.monotonic()
    with process.start(seed=3, faults=[{"name": "busy", "provider": "x", "effect": "reset"}]) as handle:
        assert time.monotonic() - began < 3
        counts = requests.get(handle.http_url + "/state", timeout=5).json()
        assert counts["fired"] == {"busy": 0}
        with socket.create_connection((handle.smtp_host, handle.smtp_port), timeout=5) as connection:
            assert connection.recv(100).startswith(b"220")
        os.kill(handle.pid, 0)
    assert handle.stop() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(handle.pid, 0)


def test_a_script_that_cannot_be_read_is_told_in_a_sentence(tmp_path):
    path = tmp_path / "faults.json"
    path.write_text('[{"effect": "rset"}]', encoding="utf-8")
    with pytest.raises(process.SandboxFailed, match=r'code 2: .*rules\[0\].effect.kind: "rset" is not known'):
        process.start(faults=path)


@pytest.mark.parametrize("option", ["--http-port", "--smtp-port"])
def test_a_port_in_use_is_told_in_a_sentence(option):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = subprocess.run(
            [sys.executable, "-m", "alerting.sandbox", option, str(taken.getsockname()[1])],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    assert ended.returncode == 2
    assert ended.stderr.startswith("The sandbox cannot start on 127.0.0.1")
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_even_while_a_request_hangs(tmp_path, number):
    ready = tmp_path / "ready.json"
    faults = tmp_path / "faults.json"
    faults.write_text('[{"provider": "x", "effect": {"kind": "hang", "seconds": 100}}]', encoding="utf-8")
    command = [sys.executable, "-m", "alerting.sandbox", "--ready-file", ready, "--faults", faults]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        while not ready.exists():
            time.sleep(0.01)
        found = json.loads(ready.read_text(encoding="utf-8"))
        assert found["pid"] == child.pid
        with pytest.raises(requests.ReadTimeout):
            requests.get(found["http_url"] + "/2/users/me", timeout=0.1)
        child.send_signal(number)
        assert child.wait(5) == 0
        assert child.stderr.read() == ""


def test_left_alone_it_leaves_by_itself():
    handle = process.start(idle_exit_s=0.3)
    deadline = time.monotonic() + 5
    while handle._process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert handle.stop() == 0
