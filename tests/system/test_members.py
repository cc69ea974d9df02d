"""Who belongs to a tree, and who gets a signal: never a stranger, never whom a number was given to later."""

import os
import signal
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_supervisor.system import lineage, procfs
from trio_supervisor.system.kill import descendants, signal_exactly
from trio_supervisor.system.lineage import VARIABLE, carriers, extend, token
from trio_supervisor.system.members import members_of
from trio_supervisor.system.procfs import Process

BEYOND = 1 << 23
"""No process has a number above this (PID_MAX_LIMIT is 1 << 22), so nobody has an environment there."""


def one(
    pid: int, *, parent: int = 1, group: int = 0, session: int = 0, started: int = 100, state: str = "S"
) -> Process:
    return Process(pid, "x", state, parent, group or pid, session or pid, 1, started)


def numbers(found: list[Process]) -> set[int]:
    return {each.pid for each in found}


@st.composite
def forests(draw: st.DrawFn) -> list[Process]:
    """Processes in which each parent is older than its children, or of the same tick; 0 stands for what is not ours."""
    made: list[Process] = []
    for index in range(draw(st.integers(1, 15))):
        parent = draw(st.sampled_from([None, *made]))
        started = (parent.started if parent else 0) + draw(st.integers(0, 3))
        session = parent.session if parent and draw(st.booleans()) else BEYOND + index
        group = draw(st.sampled_from([session, BEYOND + index]))
        state = draw(st.sampled_from("SSSZ"))
        made.append(
            one(
                BEYOND + index,
                parent=parent.pid if parent else 1,
                group=group,
                session=session,
                started=started,
                state=state,
            )
        )
    return made


@given(forests(), st.integers(0, 14))
def test_nobody_is_a_member_who_is_older_than_the_leader_or_dead_or_its_ancestor(
    everybody: list[Process], chosen: int
) -> None:
    leader = everybody[chosen % len(everybody)]
    parents = {each.pid: each.parent for each in everybody}
    ancestors = set()
    above = parents[leader.pid]
    while above in parents:
        ancestors.add(above)
        above = parents[above]

    found = members_of(everybody, leader.pid, leader.started, "none:a:1")

    assert all(each.alive and each.started >= leader.started for each in found)
    assert not numbers(found) & {pid for pid in ancestors if leader.session != pid != leader.group}


@given(forests())
def test_descendants_are_those_whose_chain_of_parents_leads_to_a_root(everybody: list[Process]) -> None:
    parents = {each.pid: each.parent for each in everybody}
    root = everybody[0].pid

    found = numbers(descendants(everybody, {root}))

    def leads_there(pid: int) -> bool:
        return pid in parents and (parents[pid] == root or leads_there(parents[pid]))

    assert found == {each.pid for each in everybody if leads_there(each.pid)}


def test_a_circle_of_parents_as_of_two_looks_at_different_times_is_no_endless_search() -> None:
    circle = [one(BEYOND, parent=BEYOND + 1), one(BEYOND + 1, parent=BEYOND)]

    assert numbers(descendants(circle, {BEYOND})) == {BEYOND + 1}


def test_session_group_and_descent_make_a_member() -> None:
    leader = BEYOND
    everybody = [
        one(leader),
        one(leader + 1, session=leader),
        one(leader + 2, group=leader),
        one(leader + 3, parent=leader + 1),
        one(leader + 4, parent=leader + 3),
        one(leader + 5),
    ]

    assert numbers(members_of(everybody, leader, 100, "none:a:1")) == {leader + n for n in range(5)}


def test_who_is_inside_of_the_cgroup_is_a_member_with_all_descendants() -> None:
    everybody = [one(BEYOND + 1), one(BEYOND + 2, parent=BEYOND + 1), one(BEYOND + 3)]

    assert numbers(members_of(everybody, BEYOND, 100, "none:a:1", [BEYOND + 1])) == {BEYOND + 1, BEYOND + 2}


def test_a_number_that_was_given_to_another_process_makes_nobody_a_member() -> None:
    later = [one(BEYOND, started=500), one(BEYOND + 1, session=BEYOND, started=501)]

    assert members_of(later, BEYOND, 100, "none:a:1") == []


def test_a_session_whose_leader_is_gone_still_has_members() -> None:
    assert numbers(members_of([one(BEYOND + 1, session=BEYOND)], BEYOND, 100, "none:a:1")) == {BEYOND + 1}


# By the marker


@pytest.fixture
def environments(monkeypatch: pytest.MonkeyPatch) -> dict[int, bytes]:
    """Environments by pid, in the place of those in /proc."""
    given: dict[int, bytes] = {}
    monkeypatch.setattr(lineage, "_environment", lambda pid: given.get(pid, b""))
    return given


def test_a_marker_is_found_wherever_the_process_has_gone(environments: dict[int, bytes]) -> None:
    environments[BEYOND] = f"A=1\0{VARIABLE}=outer:x:1 me:a:1\0B=2".encode()
    environments[BEYOND + 1] = f"{VARIABLE}=me:a:10".encode()
    environments[BEYOND + 2] = f"X{VARIABLE}=me:a:1\0TEXT={VARIABLE}=me:a:1".encode()
    environments[BEYOND + 3] = f"{VARIABLE}=me:a:1 inner:b:3".encode()
    everybody = [one(BEYOND + n) for n in range(5)]

    assert numbers(carriers(everybody, "me:a:1")) == {BEYOND, BEYOND + 3}
    assert numbers(carriers(everybody, "me")) == {BEYOND, BEYOND + 1, BEYOND + 3}
    assert numbers(members_of(everybody, 1, 0, "me:a:10")) == {BEYOND + 1}


def test_a_marker_of_somebody_older_than_the_leader_is_none(environments: dict[int, bytes]) -> None:
    environments[BEYOND] = f"{VARIABLE}=me:a:1".encode()

    assert members_of([one(BEYOND, started=99)], BEYOND + 1, 100, "me:a:1") == []


ids = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,5}(/[a-z]{1,3})?", fullmatch=True)
lives = st.tuples(ids, st.integers(1, 20), st.integers(1, 200))


@given(lives, lives)
def test_no_life_is_found_by_the_marker_of_another_one(life: tuple[str, int, int], other: tuple[str, int, int]) -> None:
    marker = extend("outer:x:1:1", token("0123456789abcdef", *life)).encode().split()

    found = any(lineage._is_within(token("0123456789abcdef", *other).encode(), each) for each in marker)

    assert found == (life == other)


# Signals


def test_a_signal_reaches_the_one_that_was_seen_and_nobody_who_has_its_number_later() -> None:
    with subprocess.Popen(["sleep", "300"]) as sleeper:
        seen = procfs.process(sleeper.pid)
        assert seen is not None

        signal_exactly(one(sleeper.pid, started=seen.started - 1))
        signal_exactly(one(sleeper.pid, started=seen.started + 1))
        untouched = sleeper.poll()
        signal_exactly(seen, signal.SIGTERM)

        assert untouched is None
        assert sleeper.wait(10) == -signal.SIGTERM


def test_a_signal_to_nobody_is_no_failure() -> None:
    signal_exactly(one(BEYOND))


def test_without_descriptors_a_search_says_so_and_does_not_find_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(24, os.strerror(24))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        procfs.processes()
    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        procfs.processes()

    assert procfs.process(os.getpid()) is None
    assert procfs.pids() == []
