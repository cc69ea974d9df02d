"""Records are values: equal by their fields, never changed, cheap."""

import copy
import pickle
from dataclasses import dataclass

import pytest

from trio_supervisor.record import changed, defaults, is_record, record, unseen


@record
class Born:
    """One."""

    child: str
    generation: int = 1
    cause: object = unseen(default=None)

    def __str__(self) -> str:
        return f"{self.child} #{self.generation}"


@record
class Gone:
    """Another one with the same fields."""

    child: str
    generation: int = 1


@record
class Nothing:
    """Without fields."""


@record
class Checked:
    """Looks at itself when it is made."""

    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("number must be >= 0")


def test_arguments_are_taken_by_position_and_by_name_with_defaults() -> None:
    one = Born("a", generation=3)

    assert (one.child, one.generation, one.cause) == ("a", 3, None)
    assert Born("a").generation == 1
    assert str(one) == "a #3"
    with pytest.raises(TypeError, match="child"):
        Born()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="colour"):
        Born("a", colour=1)  # type: ignore[call-arg]


def test_equality_and_hash_are_those_of_the_class_and_the_seen_fields() -> None:
    assert Born("a", 1, cause=1) == Born("a", 1, cause=2)
    assert hash(Born("a", 1, cause=1)) == hash(Born("a", 1, cause=2))
    assert Born("a", 2) != Born("a", 1)
    assert Born("a") != Gone("a")
    assert Born("a").__eq__(Gone("a")) is NotImplemented
    assert Nothing() == Nothing()


def test_it_is_shown_as_it_is_written_without_what_is_unseen() -> None:
    assert repr(Born("a", 2, cause=3)) == "Born(child='a', generation=2)"
    assert repr(Nothing()) == "Nothing()"


def test_it_can_not_be_changed_or_grow() -> None:
    one = Born("a")

    with pytest.raises(AttributeError, match=r"Born is a record: 'child' can't be changed"):
        one.child = "b"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="'generation' can't be changed"):
        del one.generation
    with pytest.raises(AttributeError, match="'colour'"):
        one.colour = 1  # type: ignore[attr-defined]
    assert not hasattr(one, "__dict__")


def test_another_one_with_some_fields_changed() -> None:
    one = Born("a", 2, cause=3)

    other = changed(one, generation=4)

    assert (other.child, other.generation, other.cause) == ("a", 4, 3)
    with pytest.raises(TypeError, match="colour"):
        changed(one, colour=1)
    with pytest.raises(ValueError, match="number must be >= 0"):
        changed(Checked(1), number=-1)


def test_it_matches_by_position() -> None:
    match Born("a", 7):
        case Born(child, generation):
            assert (child, generation) == ("a", 7)
        case _:
            pytest.fail("no match")


def test_it_can_be_copied_and_pickled_with_all_fields() -> None:
    one = Born("a", 2, cause="why")

    for other in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert other == one
        assert other.cause == "why"


def test_what_a_class_is_can_be_asked() -> None:
    @dataclass(frozen=True)
    class Other:
        child: str

    assert is_record(Born)
    assert not is_record(Other)
    assert defaults(Born) == {"generation": 1, "cause": None}
