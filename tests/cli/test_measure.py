import json
import select
import signal
import subprocess
import time

import pytest

LINES = [
    "Gas leak. Leave now.",
    "It\u2019s here",
    "",
    "😀" * 3,
    "x" * 161,
    "see https://alerts.example.edu/news",
]


def test_a_text_is_measured_without_any_configuration(alert, home):
    (home / "channels.yaml").unlink()

    done = alert("measure", "Leave now — go to the Main Library")

    assert done.returncode == 0
    assert "34 of 280, 246 free" in done.stdout
    assert "1 segment, UCS-2, 34 of 70 units, 36 free" in done.stdout
    assert "— (U+2014 EM DASH)" in done.stdout


def test_a_text_is_read_from_stdin_without_the_line_end_the_shell_adds(alert):
    told = json.loads(alert("measure", "--json", input="abc\n").stdout)

    assert (told["v"], told["kind"]) == (1, "measure")
    assert told["x"] == {"weighted": 3, "fits": True}
    assert told["sms"]["units"] == 3
    assert told["sms"]["left"] == 157


def test_a_text_that_is_too_long_for_x_says_by_how_much(alert):
    done = alert("measure", "a" * 300)

    assert done.returncode == 0
    assert "300 of 280: does not fit, 20 too many" in done.stdout


def test_stdin_that_is_not_utf8_is_refused_in_words(alert):
    done = alert("measure", input=b"caf\xe9\n")

    assert done.returncode == 2
    assert done.stderr == "alert: the text is not UTF-8; save it as UTF-8\n"


def test_ctrl_c_while_a_command_works_is_answered_in_words(alert):
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with alert.start("measure", "--jsonl", **streams) as process:
        process.stdin.write(b'"words"\n')
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)

        assert process.wait(20) == 130
        assert process.stderr.read() == (
            b"\nLeft before the end. What was done by then is on record: `alert status`.\n"
        )


def test_every_json_line_is_answered_by_one_line_of_exactly_this_shape(alert):
    asked = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in LINES)

    done = alert("measure", "--jsonl", input=asked)

    assert done.returncode == 0
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(LINES)
    assert answers[0] == {
        "x": {"weighted": 20, "fits": True},
        "sms": {"encoding": "GSM-7", "units": 20, "segments": 1},
    }
    assert answers[1]["sms"] == {"encoding": "UCS-2", "units": 9, "segments": 1}
    assert answers[2] == {
        "x": {"weighted": 0, "fits": False},
        "sms": {"encoding": "GSM-7", "units": 0, "segments": 0},
    }
    assert answers[3]["x"]["weighted"] == 6
    assert answers[4]["sms"]["segments"] == 2
    assert answers[5]["x"]["weighted"] == 4 + 23


@pytest.mark.parametrize("bad", ["{}", "3", "null", "", '"open', "[" * 5000, b'"\xff"'])
def test_a_line_that_is_no_json_string_is_named_and_the_rest_goes_on(alert, bad):
    line = bad if isinstance(bad, bytes) else bad.encode()

    done = alert("measure", "--jsonl", input=b'"one"\n' + line + b'\n"three"\n')

    assert done.returncode == 2
    first, second, third = map(json.loads, done.stdout.splitlines())
    assert second == {"error": "line 2: not a JSON string"}
    assert first["x"]["weighted"] == 3
    assert third["x"]["weighted"] == 5


def test_each_answer_comes_before_the_next_question_is_asked(alert):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    with alert.start("measure", "--jsonl", **pipes) as process:
        for word in ("one", "four"):
            process.stdin.write(json.dumps(word).encode() + b"\n")
            assert select.select([process.stdout], [], [], 20)[0]
            assert json.loads(process.stdout.readline())["x"]["weighted"] == len(word)
        process.stdin.close()
        assert process.wait(10) == 0


def test_ten_thousand_lines_take_a_few_seconds_at_most(alert):
    asked = "".join(f'"Gas leak at Baker Hall {n}. Leave now."\n' for n in range(10_000))
    began = time.monotonic()

    done = alert("measure", "--jsonl", input=asked)

    assert done.stdout.count("\n") == 10_000
    # A second on a quiet machine; the bound is for a busy one.
    assert time.monotonic() - began < 10
