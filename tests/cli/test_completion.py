import gc
import logging
import signal
import subprocess

import pytest

from alerting.cli import main


@pytest.fixture
def complete(home, monkeypatch, capsys):
    """Ask as bash does for the last of these words; bash ends words at an equals sign."""
    monkeypatch.chdir(home)
    monkeypatch.setattr("sys.argv", ["alert"])
    heeded, threshold = signal.getsignal(signal.SIGINT), gc.get_threshold()

    def ask(*words):
        monkeypatch.setenv("_ALERT_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(["alert", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        monkeypatch.delenv("_ALERT_COMPLETE_BEFORE", raising=False)
        with pytest.raises(SystemExit):
            main()
        said = capsys.readouterr()
        assert said.err == ""
        return [line for line in said.out.splitlines() if line]

    yield ask
    monkeypatch.delenv("_ALERT_COMPLETE_BEFORE", raising=False)
    logging.disable(logging.NOTSET)
    # The program ends with the process that runs it; this one goes on.
    signal.signal(signal.SIGINT, heeded)
    gc.set_threshold(*threshold)
    gc.unfreeze()


def test_commands_and_their_members_are_offered(complete):
    assert complete("chan") == ["channels"]
    assert complete("templates", "ch") == ["check"]


@pytest.mark.parametrize("before", [("send",), ("preview",), ("templates", "show"), ("templates", "check")])
def test_templates_are_offered_where_one_is_meant(complete, before):
    assert complete(*before, "gas") == ["gas-leak"]


def test_channels_are_offered_one_after_another(complete):
    assert complete("channels", "check", "sms") == ["sms-main"]
    assert complete("send", "fire", "--channels", "x-campus,s") == ["x-campus,sms-main"]
    assert "x-campus,x-campus" not in complete("send", "fire", "--channels", "x-campus,")


def test_audiences_are_offered(complete):
    assert complete("audience", "check", "sta") == ["staff"]
    assert complete("send", "fire", "--to", "") == ["everyone", "residents", "staff"]


def test_places_are_offered_after_the_name_of_a_variable_in_any_case(complete):
    assert complete("send", "gas-leak", "-v", "place", "=", "main") == ["Main\\ Library"]
    assert len(complete("send", "gas-leak", "-v", "place", "=")) == 6


def test_inside_quotes_blanks_are_not_escaped(complete):
    assert complete("send", "gas-leak", "-v", "place", "=", '"Main') == ["Main Library"]


def test_what_a_template_asks_for_is_offered_with_its_choices(complete):
    offered = complete("send", "correction", "-v", "")

    assert "earlier=" in offered
    assert any(one.startswith("action=") and len(one) > len("action=") for one in offered)


def test_alerts_on_record_are_offered_newest_first(complete, recorded):
    for command in ("status", "export", "cancel"):
        assert complete(command, "L-") == [recorded]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda home: (home / "channels.yaml").unlink(),
        lambda home: (home / "channels.yaml").write_bytes(b"\x00: ["),
        lambda home: (home / "channels.yaml").write_text("- 1\n"),
        lambda home: (home / "channels.yaml").write_text("campus: 3\nchannels: 4\naudiences: [1]\n"),
    ],
)
def test_on_any_trouble_nothing_is_offered_and_nothing_is_said(complete, home, spoil):
    spoil(home)

    assert complete("channels", "check", "") == []
    assert complete("audience", "check", "") == []
    assert complete("send", "fire", "-v", "place", "=") == []
    assert complete("export", "") == []


def test_places_are_offered_although_the_file_has_a_mistake(complete, home):
    text = (home / "channels.yaml").read_text()
    (home / "channels.yaml").write_text(text.replace("tls: starttls", "tls: perhaps"))

    assert complete("send", "fire", "-v", "place", "=", "Nor") == ["North\\ Hall"]


def test_a_damaged_ledger_offers_nothing(complete, recorded, home):
    (home / "state" / "ledger.db").write_bytes(b"")

    assert complete("export", "") == []


def test_zsh_is_offered_whole_words(alert):
    line = "alert send gas-leak -v place=Main"

    done = alert(env={"_ALERT_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line})

    assert "place=Main Library" in done.stdout


def test_bash_itself_takes_the_script_and_the_words(alert, home):
    steps = (
        'eval "$(_ALERT_COMPLETE=source_bash "$0")"',
        "COMP_WORDS=(alert send gas-leak -v place = Ma); COMP_CWORD=6",
        '_alert_completion "$0"; printf "%s|" "${COMPREPLY[@]}"',
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", "\n".join(steps), alert.script],
        cwd=home,
        env=alert.environment(),
        capture_output=True,
        timeout=30,
        check=False,
    )

    assert done.stdout == b"Main\\ Library|", done.stderr
