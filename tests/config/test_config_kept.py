import json
import os
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerting.config import load
from alerting.config.kept import last_checked, load_kept
from alerting.config.sections import File
from alerting.errors import ConfigProblem

ROOT = Path(__file__).parents[2]
#: All four kinds, a list of people, and a login: what the shipped example has, and mail bounces besides.
SHIPPED = (ROOT / "channels.yaml").read_text()
ENVIRON = {
    "X_CONSUMER_KEY": "canary-1",
    "X_CONSUMER_SECRET": "canary-2",
    "X_ACCESS_TOKEN": "canary-3",
    "X_ACCESS_TOKEN_SECRET": "canary-4",
    "FACEBOOK_PAGE_TOKEN": "canary-5",
    "TWILIO_AUTH_TOKEN": "canary-6",
    "SMTP_PASSWORD": "canary-7",
}
FILE = Path("channels.yaml")
ASKED = [{"live": live, "sandbox": sandbox} for live in (True, False, None) for sandbox in (True, False)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FILE.write_text(SHIPPED)
    (tmp_path / "state").mkdir(mode=0o700)
    for audience in load(FILE, environ=ENVIRON).audiences.values():
        audience.csv.parent.mkdir(parents=True, exist_ok=True)
        audience.csv.write_text("phone\n+14135550100\n")
    return tmp_path


def read(**how):
    return load_kept(FILE, environ=how.pop("environ", ENVIRON), **how)


@pytest.fixture
def kept(folder):
    """Read the file once, so that there is something kept; return where."""
    read()
    return folder / "state" / "checked-true-false.json"


def forge(path, name="Forged University"):
    """Change the campus's name in what is kept, checksum and all: whoever uses it says that name."""
    _, _, text = path.read_bytes().partition(b"\n")
    told = json.loads(text)
    told["config"]["fields"]["campus"]["fields"]["name"] = name
    text = json.dumps(told).encode()
    path.write_bytes(b"%08x\n" % zlib.crc32(text) + text)


def answers(config):
    """Every value of a configuration, its channels as the fields and properties they answer with."""
    told = config._asdict()
    models = load(FILE, environ=ENVIRON, sandbox=True, live=None).channels
    names = {model.name: [*type(model).model_fields, *_properties(type(model))] for model in models}
    told["channels"] = [{name: deep(getattr(c, name)) for name in names[c.name]} for c in config.channels]
    return told


def deep(value):
    fields = getattr(type(value), "model_fields", None) or (vars(value) if _is_kept(value) else None)
    return {name: deep(getattr(value, name)) for name in fields} if fields else value


def _is_kept(value):
    return type(value).__name__ == "KeptSettings"


def _properties(model):
    ours = [base for base in model.__mro__ if base.__module__.startswith("alerting.")]
    return [name for base in ours for name, told in vars(base).items() if isinstance(told, property)]


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_what_is_kept_says_what_the_file_says(folder, asked):
    first = read(**asked)

    second = read(**asked)

    assert _is_kept(second.channels[0])
    assert answers(second) == answers(first) == answers(load(FILE, environ=ENVIRON, **asked))


def test_everything_of_the_shipped_example_can_be_kept(kept):
    forge(kept)

    assert read().campus.name == "Forged University"


#: Every section a file may have and the shipped example has not.
MORE = """
callbacks: {public_url: "https://alerts.example.edu/hooks"}
monitor: {listen: "127.0.0.1:8461"}
audit: {checkpoints: elsewhere/checkpoints, retain_days: 400}
publish: {feed: public/feed.xml, sender: alerts@example.edu}
operators: people.yaml
ledger: {env: LEDGER_URL}
on_call: {roster: duty.yaml, calendar: {env: CALENDAR}, escalate_after_minutes: 2.5}
"""


def test_every_section_there_is_can_be_kept_and_gives_no_secret_away(folder):
    environ = {**ENVIRON, "LEDGER_URL": "canary-8", "CALENDAR": "https://canary-9.example.edu"}
    FILE.write_text(SHIPPED + MORE)
    assert {line.split(":")[0] for line in (SHIPPED + MORE).splitlines() if line[:1].isalpha()} == {
        field.alias or name for name, field in File.model_fields.items()
    }
    read(environ=environ)
    [path] = (folder / "state").glob("checked*")

    assert "canary" not in path.read_text()
    assert answers(read(environ=environ)) == answers(load(FILE, environ=environ))
    forge(path)
    assert read(environ=environ).campus.name == "Forged University"


def test_settings_that_were_kept_cannot_be_changed(kept):
    channel = read().channels[0]

    with pytest.raises(AttributeError, match="frozen"):
        channel.name = "another"


def test_no_secret_is_kept_and_nobody_else_may_read_it(kept):
    assert "canary" not in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert not list(kept.parent.glob(".checked*"))


def test_a_secret_is_looked_up_each_time(kept):
    changed = read(environ={**ENVIRON, "TWILIO_AUTH_TOKEN": "canary-new"})

    assert changed.channel("sms-main").auth_token.reveal() == "canary-new"


def test_a_secret_that_has_gone_is_told_as_ever(kept):
    without = {name: text for name, text in ENVIRON.items() if name != "SMTP_PASSWORD"}

    with pytest.raises(ConfigProblem) as told:
        read(environ=without)
    with pytest.raises(ConfigProblem) as ever:
        load(FILE, environ=without)

    assert str(told.value) == str(ever.value)


def test_a_list_that_has_gone_is_warned_of(kept):
    for audience in read().audiences.values():
        audience.csv.unlink(missing_ok=True)

    assert any("no such file" in warning.what for warning in read().warnings)


@pytest.mark.parametrize(
    "change",
    [
        lambda _, kept: FILE.write_text(SHIPPED + "\n# one more line\n"),
        lambda _, kept: kept.chmod(0o640),
        lambda _, kept: (kept.rename("elsewhere"), kept.symlink_to(Path("elsewhere").absolute())),
        lambda _, kept: kept.write_bytes(kept.read_bytes()[:-1] + b" "),
        lambda _, kept: kept.write_bytes(b""),
        lambda _, kept: (kept.unlink(), kept.mkdir()),
        lambda _, kept: (kept.unlink(), os.mkfifo(kept, 0o600)),
        lambda patch, _: patch.setattr(sys, "hexversion", 1),
        lambda patch, _: patch.setattr("alerting.config.kept._VERSION", 0),
    ],
    ids=["file", "mode", "link", "damage", "empty", "directory", "pipe", "python", "form"],
)
def test_what_cannot_be_relied_on_is_not_used(kept, monkeypatch, change):
    forge(kept)
    change(monkeypatch, kept)

    assert read().campus.name != "Forged University"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_byte_that_is_wrong_makes_it_worthless(kept, data):
    read()
    whole = bytearray(kept.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    kept.write_bytes(whole)

    assert answers(read()) == answers(load(FILE, environ=ENVIRON))


def test_what_was_kept_for_one_way_of_reading_is_not_used_for_another(kept):
    forge(kept)
    forged = kept.read_bytes()
    kept.unlink()
    for asked in ASKED:
        other = kept.with_name(f"checked-{asked['live']}-{asked['sandbox']}.json".lower())
        if other != kept:
            other.write_bytes(forged)
            other.chmod(0o600)

            assert read(**asked).campus.name != "Forged University"


def test_who_only_looks_goes_by_what_was_checked_for_sending_with_no_secret_of_it(kept):
    forge(kept)

    looked = read(sandbox=True, environ={})

    assert looked.campus.name == "Forged University"
    assert looked.channel("sms-main").auth_token.reveal() == "sandbox-auth_token"
    assert answers(looked)["channels"] == answers(load(FILE, environ={}, sandbox=True))["channels"]


def test_nobody_sends_by_what_was_checked_with_invented_secrets(folder):
    read(sandbox=True)
    forge(folder / "state" / "checked-true-true.json")

    assert read().campus.name != "Forged University"


def test_a_kind_of_somebody_else_is_read_in_full_each_time(folder, monkeypatch):
    from alerting.channels import registry

    spec = registry.KindSpec(settings="tests_of_kept_pager:PagerSettings", build="tests_of_kept_pager:build")
    (folder / "tests_of_kept_pager.py").write_text(
        "from alerting.channels.settings import ChannelSettings\n"
        "class PagerSettings(ChannelSettings):\n    kind: str = 'pager'\n"
    )
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(registry.BUILT_IN, "pager", spec)
    with FILE.open("a") as file:
        file.write("\n  - {name: pager-one, kind: pager}\n")

    read()

    assert not list((folder / "state").glob("checked*"))


def test_nothing_is_written_where_there_is_no_state_directory(folder):
    (folder / "state").rmdir()

    read()

    assert not (folder / "state").exists()


@pytest.mark.parametrize(
    "line", ["state: state", "state: 'state'", 'state: "./state"  # here', "state: state   ", ""]
)
def test_the_state_directory_is_found_however_it_is_written(folder, line):
    old = next(told for told in SHIPPED.splitlines() if told.startswith("state:"))
    FILE.write_text(SHIPPED.replace(old, line))
    read()
    [path] = (folder / "state").glob("checked*")
    forge(path)

    assert read().campus.name == "Forged University"


def test_a_state_directory_given_by_hand_holds_it(folder):
    other = folder / "other"
    other.mkdir(mode=0o700)
    read(state=other)
    forge(other / "checked-true-false.json")

    assert read(state=other).campus.name == "Forged University"
    assert not list((folder / "state").glob("checked*"))


# -- the last good copy ------------------------------------------------------------------------------


def test_the_newest_of_all_that_was_kept_is_the_last_good_one_and_tells_when_it_was(folder):
    invented = {"sandbox": True}
    for number, asked in enumerate((invented, {**invented, "live": None}, {}, {"live": None})):
        read(**asked)
        name = f"checked-{asked.get('live', True)}-{asked.get('sandbox', False)}.json".lower()
        path = folder / "state" / name
        forge(path, f"Kept {number}")
        os.utime(path, (1_800_000_000 + number,) * 2)
        FILE.write_text("channels: [this is no")
        config, at = last_checked(FILE, environ={})
        assert (config.campus.name, at.timestamp()) == (f"Kept {number}", 1_800_000_000 + number)
        assert config.channel("sms-main").auth_token.reveal() == "sandbox-auth_token", "it cannot send"
        FILE.write_text(SHIPPED)
    os.utime(folder / "state" / "checked-true-true.json", (1_900_000_000,) * 2)
    config, _ = last_checked(FILE, environ={})
    assert config.campus.name == "Kept 0"


def test_what_drills_alone_were_checked_with_is_never_the_last_good_copy(folder):
    read(live=False)
    assert list((folder / "state").glob("checked-false-*"))
    assert last_checked(FILE, environ={}) is None


def test_the_last_good_copy_is_of_this_file_and_this_program_and_whole(kept, folder, monkeypatch):
    (folder / "other.yaml").write_text(SHIPPED)
    assert last_checked(Path("other.yaml"), environ={}) is None
    FILE.unlink()
    assert last_checked(FILE, environ={}) is not None, "whatever the file says now, or that it is gone"
    whole = kept.read_bytes()
    kept.write_bytes(whole.replace(b"version", b"verzion", 1) if b"version" in whole else whole[:-1])
    assert last_checked(FILE, environ={}) is None
    kept.write_bytes(whole)
    monkeypatch.setattr(sys, "hexversion", sys.hexversion + 1)
    assert last_checked(FILE, environ={}) is None


def test_a_list_of_people_that_has_gone_keeps_nobody_from_looking(kept, folder):
    for audience in load(FILE, environ=ENVIRON).audiences.values():
        audience.csv.unlink(missing_ok=True)
    assert last_checked(FILE, environ={}) is not None
