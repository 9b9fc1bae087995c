"""``drills.yaml``: what is wrong in it is said with its line and what to write, before anything happens."""

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from alerting.config import load
from alerting.config.drills import load_drills
from alerting.errors import ConfigProblem, Exit, UsageProblem
from alerting.model.audience import Address

ROOT = Path(__file__).parents[2]
GOOD = """version: 1
allowed_audiences: [staff]
breaks:
  finals: 2026-12-07 .. 2026-12-18
drills:
  monthly:
    template: drill
    audience: staff
    channels: [sms-main]
    canaries: ["+14135550100", officer@Example.EDU]
    schedule:
      starts: 2026-09-02T12:00
      rule: FREQ=MONTHLY;BYDAY=1WE
      except: [finals, 2026-10-07T12:00, 2026-11-26]
"""


@pytest.fixture
def drills(tmp_path):
    shutil.copy(ROOT / "channels.yaml", tmp_path)
    config = load(tmp_path / "channels.yaml", environ={}, sandbox=True, live=None)

    def read(text=None):
        if text is not None:
            (tmp_path / "drills.yaml").write_text(text)
        return load_drills(config)

    return read


def test_the_shipped_file_is_right_and_the_campus_without_one_has_no_drills(drills):
    assert drills().drills == {}
    shipped = drills((ROOT / "drills.yaml").read_text())
    assert set(shipped.drills) == {"monthly-test", "annual-clery", "rehearse-gas-leak"}
    assert shipped.zone == "America/New_York"


def test_a_file_is_read_as_it_is_meant(drills):
    drill = drills(GOOD).drill("monthly")
    schedule = drill.schedule
    assert schedule.starts == datetime(2026, 9, 2, 12)
    assert schedule.left_out == {datetime(2026, 10, 7, 12)}
    assert [(b.first, b.last) for b in schedule.breaks] == [
        (date(2026, 12, 7), date(2026, 12, 18)),
        (date(2026, 11, 26), date(2026, 11, 26)),
    ]
    assert schedule.window == timedelta(minutes=15)
    assert drill.canaries == (Address.parse("phone:+14135550100"), Address.parse("email:officer@example.edu"))
    assert drill.word == "DRILL monthly"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "FREQ=MONTHLY;BYDAY=1WE",
            "every month",
            'drills.yaml:13: drills.monthly.schedule.rule: "EVERY MONTH" is not',
        ),
        ("FREQ=MONTHLY;BYDAY=1WE", "FREQ=MINUTELY", "fires more often than hourly; write HOURLY"),
        (
            "FREQ=MONTHLY;BYDAY=1WE",
            "FREQ=DAILY;BYHOUR=1,2;BYMINUTE=0,30",
            "drills.yaml:11: drills.monthly.schedule: fires more often",
        ),
        ("FREQ=MONTHLY;BYDAY=1WE", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never fires within five years"),
        (
            "2026-09-02T12:00",
            "noon",
            'drills.yaml:12: drills.monthly.schedule.starts: "noon" is not a local date and time',
        ),
        ("2026-09-02T12:00", "2026-02-30T12:00", "is no date and time"),
        ("[finals,", "[finels,", 'drills.yaml:14: drills.monthly.schedule.except: "finels" is neither'),
        ("audience: staff", "audience: everyone", "everyone is not in allowed_audiences"),
        ("audience: staff", "audience: stuff", 'no audience "stuff" in channels.yaml; write staff'),
        (
            "allowed_audiences: [staff]",
            "allowed_audiences: [staf]",
            "drills.yaml:2: allowed_audiences: no audience",
        ),
        ("[sms-main]", "[sms-mian]", 'no channel "sms-mian" in channels.yaml; write sms-main'),
        ("2026-12-07 .. 2026-12-18", "2026-12-18 .. 2026-12-07", "before it begins"),
        ("2026-12-07 .. 2026-12-18", "December", "neither a day nor a range"),
        ('"+14135550100"', "413-555-0100", "is no address"),
        (
            "      starts: 2026",
            "      time_zone: America/New_Yrok\n      starts: 2026",
            "no such time zone; write America/New_York",
        ),
        ("    template: drill", "    templat: drill", "no such field"),
        ("version: 1", "version: 2", "drills.yaml:1"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_what_to_write(drills, old, new, said):
    assert GOOD.count(old) == 1
    with pytest.raises(ConfigProblem) as caught:
        drills(GOOD.replace(old, new))
    assert said in str(caught.value)
    assert caught.value.exit_code is Exit.USAGE


def test_a_rehearsal_may_have_any_audience(drills):
    text = GOOD.replace("audience: staff", "audience: everyone\n    rehearsal: true")
    assert drills(text).drill("monthly").audience == "everyone"


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_file(drills):
    text = (
        GOOD.replace("[sms-main]", "[nope]")
        .replace("audience: staff", "audience: nobody")
        .replace("1WE", "1XX")
    )
    with pytest.raises(ConfigProblem) as caught:
        drills(text)
    lines = [int(str(p).split(":")[1]) for p in caught.value.problems]
    assert len(lines) == 3
    assert lines == sorted(lines)


def test_a_drill_that_is_not_there_is_said_with_the_nearest_name(drills):
    with pytest.raises(UsageProblem, match="did you mean monthly"):
        drills(GOOD).drill("montly")
