import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager

import pytest


@pytest.fixture
def stopped(alert):
    """End the background sandbox of this test, whatever it did."""
    yield
    alert("sandbox", "stop")


def ready(process):
    """Read the line a foreground sandbox prints once it listens."""
    return json.loads(process.stdout.readline())


def gone(pid):
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_ctrl_c_ends_the_foreground_sandbox_with_code_0_and_leaves_no_record(alert, home):
    with alert.start("sandbox", "--json", stdout=subprocess.PIPE) as process:
        told = ready(process)
        status = json.loads(alert("sandbox", "status", "--json").stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0

    assert told["pid"] == process.pid
    assert status["running"] is True
    assert status["http_url"] == told["http_url"]
    assert json.loads(alert("sandbox", "status", "--json").stdout)["running"] is False


def test_commands_with_sandbox_use_the_one_in_the_foreground(alert):
    with alert.start("sandbox", "--json", stdout=subprocess.PIPE) as process:
        told = ready(process)
        done = alert("--sandbox", "channels", "check", "email-main")
        process.terminate()
        process.wait(10)

    assert done.returncode == 0
    assert f":{told['smtp_port']}" in done.stdout
    assert done.stderr == ""


def test_a_port_that_is_taken_is_told_in_a_sentence(alert):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        done = alert("sandbox", "--http-port", port)

    assert done.returncode == 2
    assert done.stderr.startswith("alert: sandbox: cannot listen on HTTP port")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("script", ["not json", '{"rules": [{"provider": "fax"}]}', None])
def test_a_fault_script_with_mistakes_is_refused(alert, home, script):
    if script is not None:
        (home / "faults.json").write_text(script)

    done = alert("sandbox", "--faults", "faults.json")

    assert done.returncode == 2
    assert "faults.json" in done.stderr


def test_a_background_sandbox_is_started_once_told_on_stderr_and_kept_private(alert, home, stopped):
    first = alert("--sandbox", "channels", "check", "email-main")
    second = alert("--sandbox", "channels", "check", "email-main")

    assert first.stderr.startswith("Sandbox started; nothing leaves this machine.")
    assert "http://127.0.0.1:" in first.stderr
    assert second.stderr == ""
    assert first.stdout == second.stdout
    for name in ("sandbox.json", "sandbox.log", "sandbox.lock"):
        assert stat.S_IMODE((home / "state" / "sandbox" / name).stat().st_mode) == 0o600


def test_two_commands_at_once_start_one_sandbox(alert, home, stopped):
    words = ("--sandbox", "channels", "check", "email-main")
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with ExitStack() as stack:
        several = [stack.enter_context(alert.start(*words, **streams)) for _ in range(3)]
        said = [process.communicate(timeout=60) for process in several]

    assert [process.returncode for process in several] == [0, 0, 0]
    assert sum(err.startswith(b"Sandbox started") for _, err in said) == 1
    assert len({out for out, _ in said}) == 1


def test_the_background_sandbox_holds_no_pipe_of_the_command_that_started_it(alert, stopped):
    with alert.start(
        "--sandbox",
        "channels",
        "check",
        "email-main",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        # EOF comes only when nobody holds the other end any more.
        out, _ = process.communicate(timeout=30)

    assert b"1 channel: 1 ready" in out
    status = json.loads(alert("sandbox", "status", "--json").stdout)
    assert status["running"] is True
    assert os.getsid(status["pid"]) == status["pid"]


def test_stop_ends_the_background_sandbox_and_the_next_command_starts_another(alert, stopped):
    alert("--sandbox", "channels", "check", "email-main")
    before = json.loads(alert("sandbox", "status", "--json").stdout)

    done = alert("sandbox", "stop")

    assert done.returncode == 0
    assert before["http_url"] in done.stdout
    assert gone(before["pid"])
    assert alert("sandbox", "stop").stdout == "No sandbox is running.\n"
    assert "Sandbox started" in alert("--sandbox", "channels", "check", "email-main").stderr


def test_a_killed_sandbox_is_replaced(alert, stopped):
    alert("--sandbox", "channels", "check", "email-main")
    before = json.loads(alert("sandbox", "status", "--json").stdout)
    os.kill(before["pid"], signal.SIGKILL)

    done = alert("--sandbox", "channels", "check", "email-main")

    assert done.returncode == 0
    assert "Sandbox started" in done.stderr


@contextmanager
def running(*words):
    """Run something else for a while."""
    with subprocess.Popen(words) as process:
        try:
            yield process
        finally:
            process.kill()


def put_on_record(home, pid, port):
    state = home / "state" / "sandbox"
    state.mkdir(parents=True)
    place = {"pid": pid, "http_url": f"http://127.0.0.1:{port}", "smtp_host": "127.0.0.1", "smtp_port": 1}
    (state / "sandbox.json").write_text(json.dumps(place))


def test_a_record_of_a_number_that_now_is_another_process_ends_nobody(alert, home):
    with alert.start("sandbox", "--json", stdout=subprocess.PIPE) as other:
        port = ready(other)["http_url"].rpartition(":")[2]
        (home / "state" / "sandbox" / "sandbox.json").unlink()
        (home / "state").rename(home / "elsewhere")
        with running("sleep", "30") as bystander:
            put_on_record(home, bystander.pid, port)

            done = alert("sandbox", "stop")

            assert done.stdout == "No sandbox is running.\n"
            assert bystander.poll() is None


def test_a_record_of_a_port_where_something_else_listens_ends_nobody(alert, home):
    words = (sys.executable, "-c", "import time; time.sleep(30)", "sandbox")
    with closing(socket.socket()) as other, running(*words) as bystander:
        other.bind(("127.0.0.1", 0))
        other.listen()
        put_on_record(home, bystander.pid, other.getsockname()[1])

        done = alert("sandbox", "stop")

        assert done.stdout == "No sandbox is running.\n"
        assert bystander.poll() is None


@pytest.mark.parametrize(
    "record",
    ["", "[]", '{"pid": "x"}', '{"pid": 1, "http_url": "http://:", "smtp_host": "", "smtp_port": 0}'],
)
def test_a_record_nobody_can_read_counts_as_none(alert, home, record):
    state = home / "state" / "sandbox"
    state.mkdir(parents=True)
    (state / "sandbox.json").write_text(record)

    done = alert("sandbox", "status")

    assert done.returncode == 0
    assert done.stdout.startswith("No sandbox is running.")


def test_what_lies_in_the_folder_of_the_command_is_not_run_by_the_sandbox(alert, home):
    for name in ("ssl", "uvicorn", "json"):
        (home / f"{name}.py").write_text("raise SystemExit('taken over')")

    # The command is the installed one here: a console script does not look into its folder either.
    check, stop = (
        subprocess.run(
            [alert.script, *words],
            cwd=home,
            env=alert.environment(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        for words in (("--sandbox", "channels", "check", "email-main"), ("sandbox", "stop"))
    )

    assert check.returncode == 0, check.stderr
    assert stop.stdout.startswith(b"Stopped the sandbox")
