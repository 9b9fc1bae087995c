"""Addresses, ids, keys and secrets: what may be shown, and what stays what it is."""

import pickle
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.clock import FrozenClock, instant, micros
from alerting.digest import delivery_key, text_digest
from alerting.keys import is_live, new_alert_id, normal_id
from alerting.model.audience import Address, AddressKind
from alerting.secret import Secret


@given(st.sampled_from(AddressKind), st.text(min_size=1))
def test_an_address_is_read_back_as_it_was_written(kind, value):
    address = Address(kind, value)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", "phone", "phone:", "carrier-pigeon:coop 4"])
def test_what_is_not_an_address_is_refused(text):
    with pytest.raises(ValueError):
        Address.parse(text)


def test_masked_addresses_show_enough_to_recognise_and_too_little_to_use():
    assert Address(AddressKind.PHONE, "+14135550123").masked == "phone:+14***0123"
    assert Address(AddressKind.EMAIL, "jane.doe@example.edu").masked == "email:j***@example.edu"
    assert Address(AddressKind.FEED, "x/campus").masked == "feed:x/campus"
    assert Address(AddressKind.PHONE, "+1555").masked == "phone:+1***"
    assert Address(AddressKind.EMAIL, "j@example.edu").masked == "email:***@example.edu"


def test_an_id_says_whether_it_is_live_and_survives_a_radio():
    assert is_live(new_alert_id(live=True))
    assert not is_live(new_alert_id(live=False))
    assert normal_id(" l-7k2oil ") == "L-7K2011"
    assert not is_live("anything else")


@given(st.text(), st.text(), st.text())
def test_a_delivery_has_one_key_for_life(alert, channel, address):
    key = delivery_key(alert, channel, address)
    assert key == delivery_key(alert, channel, address)
    assert len(key) == 32
    assert int(key, 16) >= 0


@given(st.lists(st.text()), st.lists(st.text()))
def test_digests_tell_texts_apart_even_when_their_joins_are_equal(one, other):
    assert (text_digest(*one) == text_digest(*other)) == (one == other)


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_instants_are_stored_without_loss(at):
    assert instant(micros(at)) == at


def test_a_frozen_clock_moves_only_when_told():
    clock = FrozenClock()
    before, mono = clock.now(), clock.monotonic()
    clock.advance(timedelta(seconds=90))
    assert clock.now() - before == timedelta(seconds=90)
    assert clock.monotonic() - mono == 90


def test_a_secret_is_shown_by_nothing_but_reveal():
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {vars.__name__}"
    assert secret.reveal() == "hunter2"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
