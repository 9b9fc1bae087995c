"""What the benchmarks measure is the program as it is: one text to each person, and nothing left behind."""

from benchmarks.campus import sms
from benchmarks.lab import Lab
from benchmarks.texts import send

PEOPLE = 20


def test_the_whole_path_that_is_measured_sends_one_text_to_each(tmp_path):
    lab = Lab(tmp_path, pairs=1, quick=True)
    with lab.stand_in("stub") as stub:
        send(lab, [sms("sms-main", stub.url)], PEOPLE)
        assert stub.ask("counts")["total"] == PEOPLE
