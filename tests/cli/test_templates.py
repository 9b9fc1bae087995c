import json

import pytest

FRONT = "---\ntitle: Flood\nhazard: flood\nvariables:\n  place:\n    type: place\n    prompt: Where\n    max_length: 20\n"
BODY = "---\n{% block message %}\n{{ source }} {{ time }}: FLOOD at {{ place }}. Leave now.\n{% endblock %}\n"


def test_the_list_names_every_template_with_what_it_asks_for(alert, home):
    done = alert("templates", "list")

    assert done.returncode == 0
    assert "Gas leak" in done.stdout
    names = {line.split()[0] for line in done.stdout.splitlines()}
    assert {path.stem for path in (home / "templates").glob("*.md")} <= names
    drill = next(line for line in done.stdout.splitlines() if line.startswith("drill "))
    assert "DRILL" in drill
    assert "Which building" in done.stdout


def test_the_list_for_scripts_carries_variables_and_mode(alert):
    told = json.loads(alert("templates", "list", "--json").stdout)

    by_name = {template["name"]: template for template in told["templates"]}
    assert told["kind"] == "templates"
    assert by_name["drill"]["drill"] is True
    assert by_name["gas-leak"]["variables"][0]["name"] == "place"
    assert by_name["gas-leak"]["variables"][0]["type"] == "place"


def test_a_template_with_mistakes_does_not_hide_the_others(alert, home):
    (home / "templates" / "broken.md").write_text("no front matter at all\n")

    done = alert("templates", "list")

    assert done.returncode == 2
    assert "gas-leak" in done.stdout
    assert "templates/broken.md" in done.stderr


def test_without_a_word_the_templates_are_listed(alert):
    assert "gas-leak" in alert("templates").stdout


def test_the_templates_of_the_house_have_no_mistakes_and_need_no_credentials(alert):
    done = alert("templates", "check")

    assert done.returncode == 0, done.stdout
    assert ": 0 errors" in done.stdout.splitlines()[-1]


def test_mistakes_name_file_line_and_what_to_write_and_fail(alert, home):
    (home / "templates" / "flood.md").write_text(FRONT + BODY.replace("{{ place }}", "{{ plaec }}"))

    done = alert("templates", "check", "flood")

    assert done.returncode == 2
    assert "templates/flood.md:" in done.stdout
    assert "plaec" in done.stdout
    assert "1 template: " in done.stdout


def test_a_text_too_long_for_a_configured_channel_is_a_mistake(alert, home):
    (home / "templates" / "flood.md").write_text(
        FRONT + BODY.replace("Leave now.", "Leave now. " + "Go. " * 90)
    )

    told = json.loads(alert("templates", "check", "flood", "--json").stdout)

    [flood] = told["templates"]
    assert any("x-campus" in problem["what"] for problem in flood["errors"])
    assert any("sms-main" in problem["what"] for problem in flood["errors"])
    assert told["errors"] == len(flood["errors"])


def test_advice_fails_only_when_it_is_asked_to(alert, home):
    (home / "templates" / "flood.md").write_text(FRONT + BODY.replace("Leave now.", "Be advised. Leave now."))

    assert alert("templates", "check", "flood").returncode == 0
    strict = alert("templates", "check", "flood", "--strict")
    assert strict.returncode == 2
    assert "advice" in strict.stdout


def test_a_channel_nobody_configured_and_an_id_used_twice_are_mistakes(alert, home):
    one = FRONT + "channels: [x-campsu]\n" + BODY
    (home / "templates" / "flood.md").write_text(one.replace("title: Flood", "title: Flood\nid: Q1"))
    (home / "templates" / "water.md").write_text(
        (FRONT + BODY).replace("title: Flood", "title: Water\nid: Q1")
    )

    told = json.loads(alert("templates", "check", "--json").stdout)

    wrong = [problem["what"] for template in told["templates"] for problem in template["errors"]]
    assert "no channel 'x-campsu' in channels.yaml" in wrong
    assert any("is also the id of" in what for what in wrong)


def test_a_new_template_is_written_once_and_never_over_another(alert, home):
    done = alert("templates", "new", "sinkhole")
    path = home / "templates" / "sinkhole.md"

    assert done.returncode == 0
    assert "alert templates check sinkhole" in done.stdout
    path.write_text("mine")
    again = alert("templates", "new", "sinkhole")
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert path.read_text() == "mine"


def test_a_name_that_is_taken_in_another_form_is_taken(alert, home):
    (home / "templates" / "sinkhole.j2").write_text("mine")

    done = alert("templates", "new", "sinkhole")

    assert done.returncode == 2
    assert not (home / "templates" / "sinkhole.md").exists()


def test_a_new_template_says_what_is_still_to_be_filled_in(alert):
    alert("templates", "new", "sinkhole")

    done = alert("templates", "check", "sinkhole")

    assert done.returncode == 2
    assert "[first action]" in done.stdout


@pytest.mark.parametrize("name", ["../gas", "Gas Leak", ".hidden", "a/b"])
def test_a_name_that_is_no_file_name_makes_nothing(alert, home, name):
    before = sorted(home.rglob("*"))

    assert alert("templates", "new", name).returncode == 2
    assert sorted(home.rglob("*")) == before


def test_a_template_is_shown_as_every_channel_would_carry_it(alert):
    done = alert("templates", "show", "gas-leak")

    assert done.returncode == 0
    for channel in ("x-campus", "facebook-campus", "sms-main", "email-main"):
        assert f"\n{channel}  " in done.stdout
    assert "NSU ALERT" in done.stdout
    assert "Subject: " in done.stdout


def test_a_drill_is_shown_behind_its_wall(alert):
    told = json.loads(alert("templates", "show", "drill", "--json").stdout)

    assert told["drill"] is True
    sms = next(text for text in told["texts"] if text["channel"] == "sms-main")
    assert sms["text"].startswith("DRILL ")
    assert sms["text"].endswith(" DRILL")


def test_an_unknown_template_is_answered_with_the_nearest(alert):
    done = alert("templates", "show", "gas-lek")

    assert done.returncode == 2
    assert 'did you mean "gas-leak"?' in done.stderr
