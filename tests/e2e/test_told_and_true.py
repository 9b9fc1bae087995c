"""What a command says is what is on record, at whatever moment somebody leaves or dies."""

import json
import shutil
from pathlib import Path

import pytest
from fate import meddled, named_and_sent
from shared_campus import SharedCampus
from warm import bare_campus

TEMPLATES = Path(__file__).parents[2] / "templates"
HILL = ("send", "hazard", "-v", "place=Hill", "--confirm", "Hill", "--no-wait")


@pytest.fixture
def campus(tmp_path, box):
    made = bare_campus(tmp_path, box)
    yield made
    made.close()


PRESSED_AS_IT_IS_HEARD = """
import _socket
class Socket(_socket.socket):
    def recv(self, size):
        heard = super().recv(size)
        if b"alert_id" in heard: signal.raise_signal(signal.SIGINT)
        return heard
_socket.socket = Socket
"""


def test_ctrl_c_in_the_very_moment_the_owner_answers_does_not_lose_the_answer(campus, serve):
    done = meddled(campus, PRESSED_AS_IT_IS_HEARD, *HILL, code=8)

    assert named_and_sent(campus, done)


PRESSED_AGAIN_AND_AGAIN = """
from alerting.cli import dispatch, front
asked = front._asked
def pressed(path, request, *more, **given):
    told = asked(path, request, *more, **given)
    if request["verb"] == "confirmed": signal.raise_signal(signal.SIGINT)
    return told
def once_more(*told, **given):
    signal.raise_signal(signal.SIGINT)
    return ()
front._asked, dispatch.parting = pressed, once_more
"""


def test_ctrl_c_held_down_after_the_word_never_says_that_nothing_was_sent(campus, serve):
    """A terminal repeats a held key thirty times a second, also while a command says that it was left."""
    done = meddled(campus, PRESSED_AGAIN_AND_AGAIN, *HILL, code=130)

    assert "What was done by then is on record" in done.stderr
    assert "othing was sent" not in done.stdout + done.stderr
    [record] = campus.alerts()
    campus.settled(record.alert.id)


#: The server goes away when it has committed the alert, before it can say so: for the sender, or for all.
GONE_WITH_THE_COMMIT = """
from datetime import timedelta
from alerting import archive
from alerting.errors import LedgerLost
from alerting.ledger.postgres.connection import Connection
from alerting.ledger.postgres.ledger import PostgresLedger
archive._BRIEFLY = timedelta(seconds=0.5)
opened, commit = PostgresLedger.open_alert, Connection._commit
def gone(*more, **given):
    raise LedgerLost("postgresql://db/alerts: cannot be reached")
def lost(self):
    name = self._name
    commit(self)
    self.in_doubt, Connection.connect = name, gone
    open("gone", "w").close()
    gone()
def open_alert(self, *more, **given):
    Connection._commit = lost
    return opened(self, *more, **given)
PostgresLedger.open_alert = open_alert
"""
FOR_ALL = """
connect = Connection.connect
Connection.connect = lambda *more, **given: gone() if os.path.exists("gone") else connect(*more, **given)
"""
TEXTS = (*HILL, "--channels", "sms-main")


@pytest.fixture
def shared(tmp_path, box, fresh_database):
    made = SharedCampus(tmp_path, box, fresh_database)
    yield made
    made.close()


def test_an_alert_whose_commit_the_server_did_not_answer_is_found_and_another_sender_goes_on(shared):
    done = meddled(shared, GONE_WITH_THE_COMMIT, *TEXTS, code=8)

    assert named_and_sent(shared, done)


def test_while_nobody_knows_of_a_commit_nobody_is_told_to_send_it_from_one_host_alone(shared):
    done = meddled(shared, GONE_WITH_THE_COMMIT + FOR_ALL, *TEXTS, code=75)

    assert "--local" not in done.stderr
    assert "othing was sent" not in done.stderr
    [record] = shared.alerts()
    assert f"a repeat with --run-key {record.alert.run_key} sends nothing twice" in done.stderr


def test_nobody_is_told_that_an_act_was_kept_or_not_while_nobody_knows(shared):
    alert_id = shared.send_and_leave("--channels", "sms-main")
    shared.settled(alert_id)
    patch = GONE_WITH_THE_COMMIT.replace("open_alert", "record_act")

    done = meddled(shared, patch, "close", alert_id, "--reason", "the leak was mended", code=75)

    assert "may be kept or not" in done.stderr
    assert "before you repeat" in done.stderr


def test_a_ledger_that_goes_away_just_after_the_alert_was_accepted_has_nobody_send_it_again(shared):
    patch = GONE_WITH_THE_COMMIT + "from alerting.cli import ready\nready.before = gone"
    done = meddled(shared, patch.replace("PostgresLedger.open_alert = open_alert", ""), *TEXTS, code=8)

    [record] = shared.alerts()
    assert f"{record.alert.id} is accepted and kept; do not repeat it" in done.stderr
    assert "--local" not in done.stderr
    shared.settled(record.alert.id)


DIES_AND_NOBODY_CAN_GO_ON = """
from alerting.cli import launch
tell = launch._tell
launch._tell = lambda pipe, told: tell(pipe, told) and os.kill(os.getpid(), 9)
serve = launch._serve
launch._serve = lambda app, order, *more: serve(app, order, *more) if order else os.kill(os.getpid(), 9)
"""


def test_a_script_hears_which_alert_was_accepted_although_nobody_can_send_it(campus):
    words = [word for word in TEXTS if word != "--no-wait"]
    done = meddled(campus, DIES_AND_NOBODY_CAN_GO_ON, *words, "--json", code=75)

    [record] = campus.alerts()
    told = json.loads(done.stdout)
    assert (told["kind"], told["alert"]) == ("accepted", record.alert.id)
    assert "do not repeat it" in done.stderr


#: The owner does what it is asked, and its answer is lost on the way. Whoever owns the ledger is asked again.
ANSWER_LOST = """
from alerting.cli import launch
from alerting.engine.control import Unanswered
ask = launch.ask
def lost(*asked, **given):
    ask(*asked, **given)
    launch.ask = ask
    raise Unanswered("lost")
launch.ask = lost
"""


def test_an_all_clear_asked_for_twice_since_the_answer_was_lost_is_not_called_too_late(campus, serve):
    shutil.copy(TEMPLATES / "all-clear.md", campus.home / "templates")
    first = campus.send_and_leave("--channels", "sms-main")

    done = meddled(campus, ANSWER_LOST, "all-clear", first, "--confirm", "Baker Hall", "--no-wait", code=8)

    newest, _ = campus.alerts()
    assert newest.alert.template == "all-clear"
    assert f"{newest.alert.id} is being sent" in done.stdout


#: The owner dies when it has opened what was confirmed, and before it says so; then its template is edited.
DIED_WITH_THE_ANSWER = """
import time
from pathlib import Path
from alerting.cli import front
from alerting.ledger.lock import RunnerLock
asked = front._asked
def died(path, request, *more, **given):
    told = asked(path, request, *more, **given)
    if request["verb"] != "confirmed": return told
    lock = RunnerLock(Path(path).parent)
    os.kill(lock.held_by(), signal.SIGKILL)
    while lock.held_by(): time.sleep(0.01)
    template = Path("templates/hazard.md")
    template.write_text(template.read_text().replace("HAZARD", "ANOTHER HAZARD"))
    return None, False
front._asked = died
"""


def test_an_alert_its_owner_opened_before_it_died_is_not_called_changed_since_the_preview(campus, serve):
    done = meddled(campus, DIED_WITH_THE_ANSWER, *TEXTS, code=8)

    assert named_and_sent(campus, done)


NOBODY_CAN_GO_ON = """
from alerting.cli import launch
def die(*more): os.kill(os.getpid(), 9)
launch._serve = die
"""
PRESSED_MEANWHILE = """
heard = launch._heard
launch._heard = lambda *more: (heard(*more)[0], True)
"""
FIRST_ONE_BEGINS = """
begun = launch._in_child
def begin(*more):
    launch._serve = lambda app, order, plan, pipe: launch._tell(pipe, {"ok": True}) and die()
    told = begun(*more)
    launch._in_child, launch._serve = begun, die
    return told
launch._in_child = begin
"""


def test_a_resume_that_failed_says_so_at_once_or_later_and_also_to_who_left_meanwhile(campus):
    meddled(campus, DIES_AND_NOBODY_CAN_GO_ON, *TEXTS, code=8)
    [record] = campus.alerts()

    left = meddled(campus, NOBODY_CAN_GO_ON + PRESSED_MEANWHILE, "resume", code=75)
    later = meddled(campus, NOBODY_CAN_GO_ON + FIRST_ONE_BEGINS, "resume", code=75)

    assert "the sending process ended at once" in left.stderr
    assert "being sent" not in left.stdout + left.stderr
    assert f"{record.alert.id} was accepted before; do not repeat it" in later.stderr


DRILLS = """version: 1
allowed_audiences: [everyone]
drills:
  monthly:
    title: Monthly
    template: drill
    values: {place: Baker Hall}
    audience: everyone
    channels: [x-campus]
    schedule: {starts: 2026-09-02T12:00, rule: FREQ=MONTHLY;BYDAY=1WE}
"""


def test_a_script_hears_which_drill_was_opened_although_nobody_can_send_it(build):
    campus = build(people=3)
    shutil.copy(TEMPLATES / "drill.md", campus.home / "templates")
    (campus.home / "drills.yaml").write_text(DRILLS)

    words = ("drill", "run", "monthly", "--confirm", "DRILL monthly", "--json")
    done = meddled(campus, NOBODY_CAN_GO_ON, *words, code=75)

    [record] = campus.alerts()
    told = json.loads(done.stdout)
    assert (told["kind"], told["alert"]) == ("accepted", record.alert.id)
