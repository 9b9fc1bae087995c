"""channels.yaml is broken while an alert is out: who looks or stops goes by what it last said."""

import json

import pytest

BROKEN = "channels: [this is no"


@pytest.fixture
def broken(alert, home):
    """Break the file after a command has read it once."""
    assert alert("status").returncode in (0, 4)

    def spoil(text: str = BROKEN) -> None:
        (home / "channels.yaml").write_text(text)

    return spoil


def test_an_alert_can_be_stopped(alert, waiting, broken):
    broken()

    done = alert("cancel", waiting)

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{waiting}: stopped 2 messages; 0 were leaving, 0 had left.\n"
    problem, told = done.stderr.splitlines()
    assert problem.startswith("alert: ")
    assert "channels.yaml" in problem
    assert told.startswith("! channels.yaml cannot be used; going by what it said at ")


def test_an_alert_can_be_looked_at_by_people_and_by_scripts(alert, recorded, broken):
    broken((alert.home / "channels.yaml").read_text() + "\nunknown: 1\n")

    assert "Gas leak" in alert("status", recorded).stdout
    assert json.loads(alert("status", recorded, "--json").stdout)["alert"] == recorded
    assert "Gas leak" in alert("status").stdout


def test_a_file_that_is_gone_stops_nobody_either(alert, waiting, broken):
    broken()
    (alert.home / "channels.yaml").unlink()

    assert alert("cancel", waiting).returncode == 0


def test_nothing_is_sent_or_found_well_by_an_older_file(alert, broken):
    broken()

    for words in (("preview", "gas-leak", "-v", "place=Baker Hall"), ("doctor",), ("resume",)):
        assert alert(*words, env=alert.credentials).returncode == 2, words


@pytest.mark.parametrize("given", [{"words": ("--state", "other")}, {"env": {"ALERT_STATE": "other"}}])
def test_the_older_file_is_looked_for_in_the_state_directory_that_is_named(alert, home, given):
    (home / "other").mkdir(mode=0o700)
    words, env = given.get("words", ()), given.get("env")
    assert alert(*words, "status", env=env).returncode == 0
    (home / "channels.yaml").write_text(BROKEN)

    done = alert(*words, "status", env=env)

    assert (done.returncode, "going by what it said at" in done.stderr) == (0, True), done.stderr
    assert alert("status").returncode == 2, "nothing was ever kept in the usual place"


def test_every_problem_of_the_file_is_counted_beside_the_first(alert, home, waiting, broken):
    text = (home / "channels.yaml").read_text()
    broken(text + "\nunknown: 1\nmore: 2\nmost: 3\n")

    problem = alert("status").stderr.splitlines()[0]

    assert problem.endswith(" (and 2 more)")


def test_without_an_older_file_the_errors_are_told(alert, waiting, home):
    (home / "channels.yaml").write_text(BROKEN)

    done = alert("cancel", waiting)

    assert done.returncode == 2
    assert "channels.yaml:" in done.stderr
    assert "going by" not in done.stderr


def test_what_another_user_could_have_written_is_not_gone_by(alert, waiting, broken, home):
    broken()
    for kept in (home / "state").glob("checked-*"):
        kept.chmod(0o666)

    assert alert("cancel", waiting).returncode == 2
