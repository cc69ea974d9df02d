"""Who waits for whom, and what a dependency's state means."""

import pytest

from tests.core.driver import policy
from trio_supervisor.core.dependencies import Answer, Graph, answer
from trio_supervisor.core.policy import Condition
from trio_supervisor.core.state import State

_TABLE = """
            started  ready    finished
waiting     not yet  not yet  not yet
starting    not yet  not yet  not yet
running     yes      not yet  not yet
ready       yes      yes      not yet
unhealthy   yes      not yet  not yet
draining    not yet  not yet  not yet
stopping    not yet  not yet  not yet
backoff     not yet  not yet  not yet
stopped     not yet  not yet  not yet
finished    yes      never    yes
failed      never    never    never
held        never    never    never
removed     never    never    never
"""


def rows() -> list[tuple[Condition, State, Answer]]:
    conditions, *lines = _TABLE.strip().splitlines()
    return [
        (Condition(condition), State(line[:12].strip()), Answer(line[12 + 9 * column :][:9].strip()))
        for line in lines
        for column, condition in enumerate(conditions.split())
    ]


@pytest.mark.parametrize(("condition", "state", "expected"), rows())
def test_each_state_answers_each_condition(condition: Condition, state: State, expected: Answer) -> None:
    assert answer(condition, state) is expected


def test_the_table_is_complete() -> None:
    assert {(condition, state) for condition, state, _ in rows()} == {(c, s) for c in Condition for s in State}


class TestGraph:
    """The edges, in both directions."""

    def make(self, **needs: dict[str, Condition]) -> Graph:
        graph = Graph()
        for child, its_needs in needs.items():
            graph.add(child, policy(needs=its_needs))
        return graph

    def test_a_child_without_dependencies_may_start(self) -> None:
        assert self.make(a={}).ask("a", lambda _: State.REMOVED) == (Answer.YES, "")

    def test_the_first_obstacle_is_named(self) -> None:
        graph = self.make(a={"x": Condition.READY, "y": Condition.FINISHED, "z": Condition.STARTED})
        states = {"x": State.READY, "y": State.READY, "z": State.BACKOFF}

        assert graph.ask("a", states.__getitem__) == (Answer.NOT_YET, "waiting for 'y' to be finished")

    def test_never_outweighs_not_yet_wherever_it_stands(self) -> None:
        graph = self.make(a={"x": Condition.READY, "y": Condition.READY})
        states = {"x": State.STARTING, "y": State.HELD}

        assert graph.ask("a", states.__getitem__) == (Answer.NEVER, "dependency 'y' is held")

    def test_all_dependencies_must_say_yes(self) -> None:
        graph = self.make(a={"x": Condition.STARTED, "y": Condition.FINISHED})

        assert graph.ask("a", {"x": State.RUNNING, "y": State.FINISHED}.__getitem__) == (Answer.YES, "")

    def test_dependents_are_told_in_the_order_in_which_they_were_added(self) -> None:
        graph = self.make(b={"x": Condition.READY}, a={"x": Condition.READY}, c={})

        assert graph.needed_by("x") == ("b", "a")
        assert graph.needed_by("c") == ()
        assert dict(graph.needs("b")) == {"x": Condition.READY}

    def test_removing_a_child_forgets_what_it_needs_but_not_who_needs_it(self) -> None:
        graph = self.make(a={}, b={"a": Condition.READY}, c={"b": Condition.READY})

        graph.remove("b")
        graph.remove("never added")

        assert graph.needed_by("a") == ()
        assert graph.needed_by("b") == ("c",)
        assert dict(graph.needs("b")) == {}

    def test_one_of_several_dependents_removed_leaves_the_others(self) -> None:
        graph = self.make(a={}, b={"a": Condition.READY}, c={"a": Condition.READY})

        graph.remove("b")

        assert graph.needed_by("a") == ("c",)

    def test_a_child_that_would_wait_for_itself_is_refused(self) -> None:
        with pytest.raises(ValueError, match="'a' would wait for itself: a -> a"):
            self.make(a={"a": Condition.READY})

    def test_a_circle_is_refused_when_it_would_close(self) -> None:
        graph = self.make(a={"b": Condition.READY}, b={"x": Condition.READY, "c": Condition.READY})

        with pytest.raises(ValueError, match="'c' would wait for itself: c -> a -> b -> c"):
            graph.add("c", policy(needs={"y": Condition.READY, "a": Condition.READY}))

        assert dict(graph.needs("c")) == {}, "and nothing of it was taken in"
        assert graph.needed_by("a") == ()

    def test_two_ways_to_the_same_dependency_are_no_circle(self) -> None:
        graph = self.make(
            top={"left": Condition.READY, "right": Condition.READY},
            left={"bottom": Condition.READY},
            right={"bottom": Condition.READY},
            bottom={},
        )

        assert graph.needed_by("bottom") == ("left", "right")

    def test_a_dependency_is_in_use_while_any_direct_dependent_is_alive(self) -> None:
        graph = self.make(a={}, b={"a": Condition.READY}, c={"a": Condition.READY}, d={"c": Condition.READY})
        assert not graph.in_use("a")

        for child in "bcd":
            graph.note_life(child, alive=True)
        assert [graph.in_use(child) for child in "abcd"] == [True, False, True, False]

        graph.note_life("b", alive=False)
        graph.note_life("d", alive=False)
        assert [graph.in_use(child) for child in "abcd"] == [True, False, False, False]

        graph.note_life("c", alive=False)
        assert not graph.in_use("a")
