"""The queue for a limited number of starts at a time."""

from trio_supervisor.core.places import Places


def take_all(places: Places) -> list[str]:
    taken = []
    while (child := places.take()) is not None:
        taken.append(child)
    return taken


def test_places_are_given_first_come_first_served_while_there_are_any() -> None:
    places = Places(2)
    for child in "abc":
        places.line_up(child)

    assert not places.full
    assert take_all(places) == ["a", "b"]
    assert places.full


def test_a_place_given_back_goes_to_the_next() -> None:
    places = Places(1)
    for child in "abc":
        places.line_up(child)

    assert take_all(places) == ["a"]
    places.give_back("a")
    assert take_all(places) == ["b"]


def test_lining_up_again_keeps_the_turn() -> None:
    places = Places(3)
    for child in "abab":
        places.line_up(child)

    assert take_all(places) == ["a", "b"]


def test_who_steps_back_loses_the_turn() -> None:
    places = Places(3)
    for child in "abc":
        places.line_up(child)

    places.step_back("a")
    places.step_back("a")
    places.line_up("a")

    assert take_all(places) == ["b", "c", "a"]


def test_giving_back_twice_or_without_a_place_makes_no_place() -> None:
    places = Places(1)
    for child in "ab":
        places.line_up(child)
    places.take()

    places.give_back("b")
    assert take_all(places) == []

    places.give_back("a")
    places.give_back("a")
    places.line_up("c")
    assert take_all(places) == ["b"]
