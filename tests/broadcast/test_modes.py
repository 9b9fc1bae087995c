"""The wall between drill and live, looked at with the message in hand."""

import pytest
from stage import Scripted, Stage, rules


@pytest.fixture
def stage(tmp_path):
    made = []

    def build(mode):
        made.append(Stage(tmp_path, Scripted("sms-main"), rules=rules(mode=mode)))
        return made[-1]

    yield build
    for one in made:
        one.close()


@pytest.mark.parametrize(("mode", "live"), [("live", False), ("drill", True)])
async def test_a_channel_of_the_other_mode_is_never_called(stage, mode, live):
    here = stage(mode)
    here.open(5, live=live)
    await here.play()
    assert here.channels["sms-main"].envelopes == []
    assert here.counts() == {"rejected": 5}
    [failure] = here.reader().failures(here.alert.id)
    assert "mode" in failure.detail


@pytest.mark.parametrize(
    ("mode", "live"), [("live", True), ("drill", False), ("both", True), ("both", False)]
)
async def test_a_channel_of_the_right_mode_carries_it(stage, mode, live):
    here = stage(mode)
    here.open(5, live=live)
    await here.play()
    assert here.counts() == {"accepted": 5}
    assert all(envelope.live is live for envelope in here.channels["sms-main"].envelopes)
