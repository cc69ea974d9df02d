"""One deadline for each key."""

import math

from hypothesis import given
from hypothesis import strategies as st

from trio_supervisor.core.timers import Timers


def test_without_deadlines_the_nearest_is_never() -> None:
    timers = Timers()

    assert timers.nearest() == math.inf
    assert timers.take_due(1e9) == []


def test_due_keys_come_out_once_in_the_order_of_their_deadlines() -> None:
    timers = Timers()
    for key, when in {"c": 3.0, "a": 1.0, "b": 2.0, "late": 9.0}.items():
        timers.set(key, when)

    assert timers.take_due(3.0) == ["a", "b", "c"]
    assert timers.take_due(3.0) == []
    assert timers.nearest() == 9.0


def test_a_deadline_is_due_at_its_very_time_and_not_before() -> None:
    timers = Timers()
    timers.set("a", 5.0)

    assert timers.take_due(4.999) == []
    assert timers.take_due(5.0) == ["a"]


def test_setting_a_key_anew_replaces_its_deadline() -> None:
    timers = Timers()
    timers.set("a", 1.0)
    timers.set("a", 7.0)

    assert timers.get("a") == 7.0
    assert timers.nearest() == 7.0
    assert timers.take_due(6.0) == []

    timers.set("a", 2.0)
    assert timers.take_due(7.0) == ["a"], "once, though two entries were made for it"
    assert timers.nearest() == math.inf


def test_a_cleared_key_is_never_due() -> None:
    timers = Timers()
    timers.set("a", 1.0)
    timers.set("b", 2.0)

    timers.clear("a")
    timers.clear("not there")

    assert timers.get("a") is None
    assert timers.nearest() == 2.0
    assert timers.take_due(10.0) == ["b"]


def test_an_infinite_deadline_is_none() -> None:
    timers = Timers()
    timers.set("a", 1.0)
    timers.set("a", math.inf)

    assert timers.get("a") is None
    assert timers.nearest() == math.inf


def test_setting_and_clearing_for_ever_does_not_fill_memory() -> None:
    timers = Timers()
    timers.set("far", 1e9)

    for round_ in range(10_000):
        timers.set("a", float(round_))
        timers.clear("a")

    assert len(timers._heap) <= 100
    assert timers.take_due(1e9) == ["far"]


_operations = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from("abcd"), st.integers(0, 20)),
        st.tuples(st.just("clear"), st.sampled_from("abcd"), st.just(0)),
        st.tuples(st.just("take"), st.just(""), st.integers(0, 20)),
    ),
    max_size=200,
)


@given(_operations)
def test_it_behaves_like_a_plain_dictionary_that_is_searched(operations: list[tuple[str, str, int]]) -> None:
    timers, plain = Timers(), dict[str, float]()

    for operation, key, when in operations:
        match operation:
            case "set":
                timers.set(key, float(when))
                plain[key] = float(when)
            case "clear":
                timers.clear(key)
                plain.pop(key, None)
            case _:
                due = sorted((deadline, name) for name, deadline in plain.items() if deadline <= when)
                assert timers.take_due(float(when)) == [name for _, name in due]
                for _, name in due:
                    del plain[name]
        assert timers.nearest() == min(plain.values(), default=math.inf)
        assert {name: timers.get(name) for name in "abcd"} == {name: plain.get(name) for name in "abcd"}
