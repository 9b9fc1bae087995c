"""The wall between drill and live, looked at with the message in hand."""

import asyncio

import pytest
from stage import Scripted, Stage, rules

from alerting.model.outcome import Accepted


class Streaming(Scripted):
    """A channel that answers through a callback, as the one for texts does."""

    async def prepare(self, content):
        pass

    def submit(self, envelope, done, leave_by):
        self.envelopes.append(envelope)
        asyncio.get_running_loop().call_soon(done, Accepted(envelope.key))
        return True

    held = 0


@pytest.fixture
def stage(tmp_path):
    made = []

    def build(mode, kind=Scripted):
        made.append(Stage(tmp_path, kind("sms-main"), rules=rules(mode=mode)))
        return made[-1]

    yield build
    for one in made:
        one.close()


@pytest.mark.parametrize("kind", [Scripted, Streaming])
@pytest.mark.parametrize(("mode", "live"), [("live", False), ("drill", True)])
async def test_a_channel_of_the_other_mode_is_never_called(stage, mode, live, kind):
    here = stage(mode, kind)
    here.open(5, live=live)
    await here.play()
    assert here.channels["sms-main"].envelopes == []
    assert here.counts() == {"rejected": 5}
    [failure] = here.reader().failures(here.alert.id)
    assert failure.reason == "wrong_mode"
    assert "mode" in failure.detail


@pytest.mark.parametrize(
    ("mode", "live"), [("live", True), ("drill", False), ("both", True), ("both", False)]
)
@pytest.mark.parametrize("kind", [Scripted, Streaming])
async def test_a_channel_of_the_right_mode_carries_it(stage, mode, live, kind):
    here = stage(mode, kind)
    here.open(5, live=live)
    await here.play()
    assert here.counts() == {"accepted": 5}
    assert all(envelope.live is live for envelope in here.channels["sms-main"].envelopes)
