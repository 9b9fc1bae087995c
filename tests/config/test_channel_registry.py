import subprocess
import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from alerting.channels.registry import BUILT_IN, ENTRY_POINTS, KindSpec, Registry
from alerting.channels.settings import ChannelSettings
from alerting.errors import ConfigProblem, MissingExtra


class PagerSettings(ChannelSettings):
    """A kind of somebody else's."""


def build_pager(settings, surroundings):
    return SimpleNamespace(name=settings.name, surroundings=surroundings)


HERE = __name__
PAGER = KindSpec(settings=f"{HERE}:PagerSettings", build=f"{HERE}:build_pager")
NO_SETTINGS = KindSpec(settings=f"{HERE}:build_pager", build=f"{HERE}:HERE")
GONE = KindSpec(settings="no_such_library.config:Settings", build=f"{HERE}:gone")


def registry(**kinds):
    points = [EntryPoint(name, f"{HERE}:{value}", ENTRY_POINTS) for name, value in kinds.items()]
    return Registry(lambda: points)


def said(action):
    with pytest.raises(ConfigProblem) as caught:
        action()
    return str(caught.value)


@pytest.mark.parametrize("kind", BUILT_IN)
def test_every_kind_of_the_house_has_settings_that_inherit_and_a_default_for_each_lane_limit(kind):
    model = Registry().settings_class(kind)
    assert issubclass(model, ChannelSettings)
    assert not any(
        model.model_fields[name].is_required() for name in ("rate_per_s", "in_flight", "deadline_s")
    )


@pytest.mark.parametrize("kind", BUILT_IN)
def test_the_settings_of_a_kind_load_no_library_of_its_provider(kind):
    code = (
        "import sys\nfrom alerting.channels.registry import Registry\n"
        f"Registry().settings_class({kind!r})\n"
        "heavy = {'tweepy', 'facebook', 'twilio', 'aiosmtplib', 'requests', 'pycurl', 'asyncio', 'ssl'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_somebody_elses_kind_is_found_by_its_entry_point():
    others = registry(pager="PAGER")
    assert others.kinds() == [*BUILT_IN, "pager"]
    settings = others.settings_class("pager")(name="pager-staff", kind="pager")
    channel = others.build(settings, "surroundings")
    assert (channel.name, channel.surroundings) == ("pager-staff", "surroundings")


def test_a_kind_of_the_house_is_not_replaced_by_somebody_elses():
    assert registry(x="PAGER").settings_class("x") is Registry().settings_class("x")


def test_an_unknown_kind_is_answered_with_the_nearest_or_with_all():
    assert said(lambda: registry(pager="PAGER").settings_class("pagr")) == 'no kind "pagr"; write pager'
    assert said(lambda: registry().settings_class("pigeon")).endswith(f"write one of {', '.join(BUILT_IN)}")


def test_a_kind_whose_library_is_missing_says_which():
    with pytest.raises(MissingExtra, match='kind "gone" needs no_such_library, which is not installed'):
        registry(gone="GONE").settings_class("gone")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("NOWHERE", "NOWHERE is not there"),
        ("HERE", "HERE is not a KindSpec"),
        ("NO_SETTINGS", "its settings do not inherit ChannelSettings"),
    ],
)
def test_a_kind_that_is_not_what_it_should_be_is_a_problem_not_a_crash(value, words):
    assert words in said(lambda: registry(odd=value).settings_class("odd"))


def test_a_builder_that_cannot_be_called_is_a_problem_not_a_crash():
    settings = PagerSettings(name="odd-one", kind="odd")
    assert "its build cannot be called" in said(lambda: registry(odd="NO_SETTINGS").build(settings, None))
