"""Who is to blame when a spec class refuses its values."""

from attrs import frozen

from trio_supervisor.config.fields import Fields, build
from trio_supervisor.config.key import Key
from trio_supervisor.config.nodes import Mapping, Scalar
from trio_supervisor.config.source import Source

_SOURCE = Source("x.yaml", "/", "a: 1\nb: 2\nc: 3\n")
_TABLE = {
    "a": Key("a", int, "", required=True, example=0),
    "b": Key("b", int, "", default=0),
    "c": Key("c", int, "", default=0),
}


@frozen
class _Rising:
    """Refuses values that do not rise, one after the other."""

    a: int
    b: int = 10
    c: int = 20

    def __attrs_post_init__(self) -> None:
        if self.a < 0:
            raise ValueError("a is negative")
        if self.b > self.c:
            raise ValueError("b is greater than c")
        if self.c > 100:
            raise ValueError("c is too great")


def _fields(**values: int) -> Fields:
    node = Mapping(_SOURCE, 0)
    for number, name in enumerate("abc"):
        key = Scalar(_SOURCE, 5 * number, 5 * number + 1, name, plain=True)
        value = Scalar(_SOURCE, 5 * number + 3, 5 * number + 4, str(number), plain=True)
        node.entries[name] = (key, value)
    return Fields(node, dict(values))


def _blamed(fields: Fields) -> list[str]:
    return [f"{mistake.place}: {mistake.message}" for mistake in fields.mistakes]


def test_right_values_make_a_spec() -> None:
    fields = _fields(a=1, b=2, c=3)
    assert build(_Rising, _TABLE, fields) == _Rising(1, 2, 3)
    assert fields.mistakes == []


def test_each_wrong_value_is_blamed_for_itself() -> None:
    fields = _fields(a=-1, c=200)
    build(_Rising, _TABLE, fields)
    assert _blamed(fields) == ["x.yaml:1:4: a is negative", "x.yaml:3:4: c is too great"]


def test_of_two_values_that_do_not_go_together_the_first_is_blamed() -> None:
    fields = _fields(a=1, b=30, c=25)
    build(_Rising, _TABLE, fields)
    assert _blamed(fields) == ["x.yaml:2:4: b is greater than c"]


def test_a_value_that_does_not_go_with_the_default_of_another_is_to_blame() -> None:
    fields = _fields(a=1, b=7, c=5)
    build(_Rising, _TABLE, fields)
    assert _blamed(fields) == ["x.yaml:3:4: b is greater than c"]


def test_what_no_value_is_to_blame_for_is_told_of_the_whole() -> None:
    def refuse(**_: object) -> None:
        raise ValueError("never")

    fields = _fields(a=1)
    assert build(refuse, _TABLE, fields) is None
    assert _blamed(fields) == ["x.yaml:1:1: never"]
