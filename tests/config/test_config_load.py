import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from alerting.config import load
from alerting.errors import ConfigProblem, Exit, UsageProblem

ROOT = Path(__file__).parents[2]
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
SMALL = """version: 1
campus:
  name: North Shore University
  source: NSU ALERT
  time_zone: America/New_York
channels:
  - name: sms-main
    kind: sms.twilio
    account_sid: AC00000000000000000000000000000000
    auth_token: {env: TWILIO_AUTH_TOKEN}
    from: "+14135550199"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def config(folder):
    """Load a text as channels.yaml."""

    def read(text, *, environ=ENVIRON, **how):
        (folder / "channels.yaml").write_text(text)
        return load(Path("channels.yaml"), environ=environ, **how)

    return read


@pytest.fixture
def problems(config):
    """Load a text that cannot be used, and return what is said."""

    def read(text, **how):
        with pytest.raises(ConfigProblem) as caught:
            config(text, **how)
        assert caught.value.exit_code is Exit.USAGE
        return str(caught.value).splitlines()

    return read


def changed(old, new, text=SMALL):
    assert text.count(old) == 1
    return text.replace(old, new)


def test_the_shipped_file_works_in_the_sandbox_without_any_credentials():
    config = load(ROOT / "channels.yaml", environ={}, sandbox=True)
    assert [channel.name for channel in config.channels] == [
        "x-campus",
        "facebook-campus",
        "sms-main",
        "email-main",
    ]
    assert config.defaults.channels == ("x-campus", "facebook-campus", "sms-main", "email-main")
    assert config.defaults.audience == "everyone"
    assert config.campus.source == "NSU ALERT"
    assert config.audience("everyone").csv == ROOT / "demo" / "people.csv"
    assert config.warnings == ()
    assert config.digest == hashlib.sha256(SHIPPED.encode()).hexdigest()
    assert config.channel("x-campus").access_token.reveal() == "sandbox-access_token"


def test_a_sandbox_never_gets_real_credentials():
    config = load(ROOT / "channels.yaml", environ=ENVIRON, sandbox=True)
    assert "canary" not in "".join(
        value.reveal()
        for channel in config.channels
        for value in vars(channel).values()
        if hasattr(value, "reveal")
    )


def test_the_shipped_file_names_every_variable_that_is_missing():
    with pytest.raises(ConfigProblem) as caught:
        load(ROOT / "channels.yaml", environ={})
    assert [name for name in ENVIRON if f"the variable {name} is not set" in str(caught.value)] == list(
        ENVIRON
    )


def test_credentials_come_from_the_environment_and_are_never_printed():
    config = load(ROOT / "channels.yaml", environ=ENVIRON)
    assert config.channel("sms-main").auth_token.reveal() == "canary-6"
    assert "canary" not in repr(config)


def test_paths_are_relative_to_the_file_not_to_the_shell(folder, monkeypatch):
    inner = folder / "etc"
    inner.mkdir()
    (inner / "channels.yaml").write_text(SMALL + "state: ../state\naudiences: {all: {csv: people.csv}}\n")
    config = load(Path("etc/channels.yaml"), environ=ENVIRON)
    assert config.state == inner / ".." / "state"
    assert config.templates == inner / "templates"
    assert config.audience("all").csv == inner / "people.csv"
    assert config.path == inner / "channels.yaml"


def test_what_is_left_out_has_a_sensible_default(config):
    small = config(SMALL)
    assert small.campus.region == "US"
    assert small.defaults.channels == ("sms-main",)
    assert (small.defaults.audience, small.retry.attempts) == ("", 60)
    assert config(SMALL + "audiences: {all: {csv: a.csv}, some: {csv: b.csv}}").defaults.audience == "all"


def test_numbers_and_words_mean_what_stands_there(config):
    text = changed('from: "+14135550199"', "from: +14135550199", SMALL)
    text = changed("name: sms-main", "name: no", text)
    assert config(text).channel("no").sender == "+14135550199"


# Each case: what is written instead of what, and the sentence that comes back.
MISTAKES = [
    (
        'from: "+14135550199"',
        "from: 413-555-0199",
        'channels.yaml:11: sms-main.from: "413-555-0199" is neither a number nor a short code; write it like',
    ),
    ("    from:", "    form:", "channels.yaml:11: sms-main.form: no such field; write from"),
    (
        "    from:",
        "    rate_per_s: fast\n    from:",
        'channels.yaml:11: sms-main.rate_per_s: "fast" is not a number;',
    ),
    (
        "    from:",
        "    rate_per_s: inf\n    from:",
        'channels.yaml:11: sms-main.rate_per_s: "inf" is not a number;',
    ),
    ("    from:", "    rate_per_s: 0\n    from:", 'sms-main.rate_per_s: "0" is too small; write more than 0'),
    (
        "    from:",
        "    in_flight: 9999\n    from:",
        'sms-main.in_flight: "9999" is too large; write at most 1000',
    ),
    (
        "    from:",
        "    in_flight: 1.5\n    from:",
        'sms-main.in_flight: "1.5" is not a whole number; write one',
    ),
    ("    from:", "    in_flight: [1]\n    from:", "sms-main.in_flight: not a single value; write one value"),
    (
        "    from:",
        "    enabled: perhaps\n    from:",
        '"perhaps" is neither true nor false; write true or false',
    ),
    (
        "    from:",
        "    mode: lvie\n    from:",
        'sms-main.mode: "lvie" is not one of live, drill, both; write live',
    ),
    ("    from:", "    mode:\n    from:", "sms-main.mode: is empty; write a value, or take the line out"),
    (
        "    from:",
        "    fallback: sms-mian\n    from:",
        'sms-main.fallback: no channel "sms-mian"; take it out',
    ),
    (
        "    from:",
        "    fallback: sms-main\n    from:",
        "sms-main.fallback: goes in a circle: sms-main to sms-main;",
    ),
    (
        "kind: sms.twilio",
        "kind: sms.twillio",
        'channels.yaml:8: sms-main.kind: no kind "sms.twillio"; write sms.twilio',
    ),
    ("    kind: sms.twilio\n", "", "channels.yaml:7: sms-main.kind: is missing; add it, like kind: x"),
    (
        "name: sms-main",
        "name: SMS main",
        'SMS main.name: "SMS main" has not the right form; write 2 to 32 small',
    ),
    ("name: sms-main\n    ", "", "channels.yaml:7: channels[1].name: is missing; add it: what officers call"),
    (
        "America/New_York",
        "America/New_Yrok",
        "channels.yaml:5: campus.time_zone: there is no such time zone; write",
    ),
    ("America/New_York", "../../etc/passwd", "campus.time_zone: there is no such time zone; write it like"),
    (
        "  source: NSU ALERT\n",
        "",
        "channels.yaml:2: campus.source: is missing; add it: the words every alert",
    ),
    (
        "source: NSU ALERT",
        'source: "NSU\\nALERT"',
        "campus.source: a line break, or blanks at an end; write it on",
    ),
    (
        "source: NSU ALERT",
        "region: Iceland",
        "channels.yaml:4: campus.region: there is no such country; write two",
    ),
    ("source: NSU ALERT", "link: javascript:alert(1)", "campus.link: not a link; write it like https://"),
    (
        "source: NSU ALERT",
        "places: Main Library",
        "campus.places: not a list; write each on its own line after",
    ),
    ("source: NSU ALERT", "places: [ok, {a: b}]", "campus.places[2]: not a single value; write one value"),
    ("version: 1", "version: 2", 'channels.yaml:1: version: "2" is not 1; write 1'),
    ("version: 1", "vresion: 1", "channels.yaml:1: vresion: no such field; write version"),
    (
        "version: 1",
        "version: 1\nversion: 1",
        'channels.yaml:2: "version" is already on line 1; keep one of them',
    ),
    ("version: 1", "version: 1\nstate: [a]", "channels.yaml:2: state: not a single value; write one value"),
    (
        "version: 1",
        "version: 1\naudiences: {All: {csv: x}}",
        'audiences.All: "All" has not the right form; write 2 to',
    ),
    (
        "version: 1",
        "version: 1\naudiences: {all: x.csv}",
        "audiences.all: not a group of fields; write name: value",
    ),
    (
        "version: 1",
        "version: 1\ndefaults: {channels: [sms-mian]}",
        'channels.yaml:2: defaults.channels: no channel "sms-mian"; write sms-main',
    ),
    (
        "version: 1",
        "version: 1\ndefaults: {channels: []}",
        "defaults.channels: not enough in the list; list at least",
    ),
    (
        "version: 1",
        "version: 1\naudiences: {all: {csv: a}, staff: {csv: a}}\ndefaults: {audience: stuff}",
        'channels.yaml:3: defaults.audience: no audience "stuff"; write staff',
    ),
    ("\ncampus:", "\n\tcampus:", "channels.yaml:2: a tab; indent with spaces"),
]


@pytest.mark.parametrize(("old", "new", "said"), MISTAKES)
def test_a_mistake_is_told_with_file_line_field_and_what_to_write(problems, old, new, said):
    lines = problems(changed(old, new))
    assert [line for line in lines if said in line], lines
    assert all(line.startswith("channels.yaml:") for line in lines)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(problems):
    text = SMALL
    for old, new in (
        ("version: 1", "version: 3"),
        ("America/New_York", "Mars"),
        ("kind: sms.twilio", "kind: sms.twilio\n    segments: many"),
        ("{env: TWILIO_AUTH_TOKEN}", "{env: NOT_THERE}"),
    ):
        text = changed(old, new, text)
    text += "    fallback: nobody\n  - name: sms-main\n    kind: pigeon\n"
    fields = [line.split(":")[2].strip() for line in problems(text)]
    assert fields == [
        "version",
        "campus.time_zone",
        "sms-main.segments",
        "sms-main.auth_token",
        "sms-main.fallback",
        "sms-main",
        "sms-main.kind",
    ]


def test_two_channels_of_one_name_are_told_with_both_lines(problems):
    again = SMALL[SMALL.index("  - name") :]
    assert problems(SMALL + again) == [
        "channels.yaml:12: sms-main: line 7 has this name too; give it another name"
    ]


def test_a_circle_of_fallbacks_is_told_once_with_its_way(problems):
    entry = SMALL[SMALL.index("  - name") :]
    text = SMALL + "    fallback: sms-two\n"
    text += entry.replace("sms-main", "sms-two") + "    fallback: sms-three\n"
    text += entry.replace("sms-main", "sms-three") + "    fallback: sms-two\n"
    assert problems(text) == [
        "channels.yaml:18: sms-two.fallback: goes in a circle: sms-two to sms-three to sms-two; end it somewhere"
    ]


@pytest.mark.parametrize(
    "written",
    ["c4n4ry-s3cret", "{env: c4n4ry-s3cret}", "{file: c4n4ry-s3cret}", "{c4n4ry-s3cret: x}", "[c4n4ry-s3cret]",
     "{env: A, c4n4ry: s3cret}", "{file: {c4n4ry: s3cret}}"],
)  # fmt: skip
def test_a_secret_in_the_wrong_place_is_refused_and_never_repeated(problems, written):
    said = problems(changed("{env: TWILIO_AUTH_TOKEN}", written))
    assert said[0].startswith("channels.yaml:10: sms-main.auth_token: ")
    assert "c4n4ry" not in "".join(said)
    assert "s3cret" not in "".join(said)


def test_a_long_value_that_may_be_a_token_in_the_wrong_field_is_not_repeated(problems):
    token = "0123456789abcdef0123456789abcdef"
    [said] = problems(changed("AC00000000000000000000000000000000", token))
    assert token not in said
    assert "sms-main.account_sid: this has not the right form" in said


def test_a_channel_that_is_off_is_left_out_and_needs_no_credentials(config):
    text = SMALL + SMALL[SMALL.index("  - name") :].replace("sms-main", "sms-two").replace(
        "TWILIO", "MISSING"
    )
    off = config(text + "    enabled: no\n")
    assert [channel.name for channel in off.channels] == ["sms-main"]
    assert off.off == {"sms-two": "switched off (enabled: false)"}
    with pytest.raises(UsageProblem, match="switched off"):
        off.channel("sms-two")


def test_a_channel_that_is_off_is_still_checked(problems):
    assert problems(SMALL + "    enabled: false\n    segments: x\n")[0].startswith("channels.yaml:13: ")


def test_real_alerts_and_exercises_each_get_their_own_channels(config):
    text = SMALL + "    mode: live\n"
    text += SMALL[SMALL.index("  - name") :].replace("sms-main", "sms-drill") + "    mode: drill\n"
    names = {live: [c.name for c in config(text, live=live).channels] for live in (True, False, None)}
    assert names == {True: ["sms-main"], False: ["sms-drill"], None: ["sms-main", "sms-drill"]}


def test_a_process_for_exercises_needs_no_live_credentials(config):
    text = SMALL + "    mode: live\n"
    text += SMALL[SMALL.index("  - name") :].replace("sms-main", "sms-drill").replace("TWILIO", "DRILL")
    drill = config(text, environ={"DRILL_AUTH_TOKEN": "canary"}, live=False)
    assert drill.off == {"sms-main": "not for exercises (mode: live)"}


def test_no_channel_left_is_a_problem(problems):
    assert problems(SMALL + "    mode: drill\n") == [
        "channels.yaml:6: channels: no channel may be used for real alerts; see enabled and mode of each"
    ]


def test_a_fallback_or_default_that_is_off_is_dropped_with_a_warning(config):
    text = SMALL + "    fallback: sms-two\ndefaults:\n  channels: [sms-two, sms-main]\n"
    two = SMALL[SMALL.index("  - name") :].replace("sms-main", "sms-two") + "    enabled: false\n"
    dropped = config(text.replace("channels:\n", "channels:\n" + two, 1))
    assert dropped.channel("sms-main").fallback == ""
    assert dropped.defaults.channels == ("sms-main",)
    assert [str(warning) for warning in dropped.warnings] == [
        "channels.yaml:18: sms-main.fallback: sms-two is switched off (enabled: false)",
        "channels.yaml:20: defaults.channels: sms-two is left out: switched off (enabled: false)",
    ]


def test_a_list_that_is_not_there_yet_is_only_a_warning(config):
    [warning] = config(SMALL + "audiences:\n  all: {csv: gone.csv}\n").warnings
    assert str(warning) == "channels.yaml:13: audiences.all.csv: there is no such file; put the list there"


def test_a_name_nobody_has_is_answered_with_the_nearest(config):
    small = config(SMALL + "audiences: {all: {csv: a.csv}}")
    with pytest.raises(UsageProblem, match='no channel "sms"; write sms-main'):
        small.channel("sms")
    with pytest.raises(UsageProblem, match='no audience "al"; write all'):
        small.audience("al")


def test_a_file_that_is_not_there_is_a_problem_not_a_crash(folder):
    with pytest.raises(ConfigProblem, match=r"gone\.yaml: no such file"):
        load(Path("gone.yaml"), environ={})
    with pytest.raises(ConfigProblem, match="directory"):
        load(folder, environ={})


@pytest.mark.parametrize("text", ["- a\n", "hello\n", "42", "null\n"])
def test_a_file_of_something_else_is_told_how_to_begin(problems, text):
    assert problems(text) == ["channels.yaml:1: not a group of fields; begin with version: 1"]


def test_importing_the_configuration_loads_nothing_heavy():
    code = (
        "import sys, alerting.config, alerting.channels.registry\n"
        "heavy = {'yaml', 'pydantic', 'phonenumbers', 'asyncio', 'ssl', 'importlib.metadata'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_loading_the_configuration_loads_no_library_of_any_provider():
    code = (
        "import sys\nfrom pathlib import Path\nfrom alerting.config import load\n"
        "load(Path('channels.yaml'), environ={}, sandbox=True)\n"
        "heavy = {'tweepy', 'facebook', 'twilio', 'aiosmtplib', 'requests', 'pycurl', 'phonenumbers', 'asyncio'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30, cwd=ROOT)
