from alerting.web.refusals import OTHERS, Refusals


def test_a_source_is_told_at_once_and_then_once_a_minute_with_counts():
    refusals = Refusals()
    refusals.add("a", "forged")
    assert [tuple(t) for t in refusals.due(0.0)] == [("a", {"forged": 1})]
    for second in range(1, 60):
        refusals.add("a", "forged")
        assert list(refusals.due(float(second))) == []
    refusals.add("a", "too large")
    assert [tuple(t) for t in refusals.due(60.0)] == [("a", {"forged": 59, "too large": 1})]


def test_a_flood_from_everywhere_is_told_as_one():
    refusals = Refusals()
    for number in range(10_000):
        refusals.add(f"10.0.{number >> 8}.{number & 255}", "forged")
    told = list(refusals.due(0.0))
    assert len(told) == 101
    assert next(t.why for t in told if t.source == OTHERS) == {"forged": 9_900}
    assert refusals.total == 10_000


def test_a_quiet_source_is_forgotten():
    refusals = Refusals()
    refusals.add("a", "forged")
    assert list(refusals.due(0.0))
    assert list(refusals.due(61.0)) == []
    assert refusals._sources == {}
