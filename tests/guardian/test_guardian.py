"""The guardian by itself, as its supervisor speaks to it; and what it kills in the end."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.runtimes.process_helpers import descriptors, is_alive, kill
from trio_supervisor.guardian import wards
from trio_supervisor.guardian.launch import Launched, command, launch
from trio_supervisor.guardian.wards import Ward, kill_all
from trio_supervisor.system import lineage, wire
from trio_supervisor.system.birth import Plan
from trio_supervisor.system.procfs import Process, process, processes

INSTANCE = os.urandom(8).hex()
"""Of this process: the guardian of another test run kills all that bear its own."""


class Guarding:
    """A supervisor's side without Trio."""

    def __init__(self, launched: Launched) -> None:
        self.launched = launched
        self.pid = launched.pid
        launched.link.settimeout(10)
        self.say("hello", INSTANCE)

    def say(self, *message: wire.Value, fds: tuple[int, ...] = ()) -> None:
        wire.send(self.launched.link, message, list(fds))

    def hear(self) -> tuple[wire.Message, list[int]]:
        received = wire.receive(self.launched.link)
        assert received is not None
        return received

    def spawn(self, number: int, *argv: str, umask: int | None = None) -> None:
        environment = {"PATH": os.environ["PATH"], lineage.VARIABLE: lineage.token(INSTANCE, "a", 1, number)}
        plan = Plan(argv[0], argv, environment, umask=umask)
        null = os.open(os.devnull, os.O_RDWR)
        self.say("spawn", number, "a", number, None, plan.pack(), fds=(null, null, null))
        os.close(null)

    def born(self) -> int:
        """The pid of the next one that is born."""
        (kind, _, pid, _), fds = self.hear()
        assert kind == "born"
        assert isinstance(pid, int)
        for fd in fds:
            os.close(fd)
        return pid

    def end(self) -> None:
        self.launched.link.close()
        os.waitpid(self.pid, 0)
        os.close(self.launched.pidfd)


@pytest.fixture
def guardian() -> Iterator[Guarding]:
    guarding = Guarding(launch())
    yield guarding
    guarding.end()


def gone(pid: int) -> bool:
    """Whether a process ends within seconds."""
    until = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.005)
    return not is_alive(pid)


@pytest.mark.parametrize("umask", [None, 0o22], ids=["plain", "special"])
def test_it_tells_birth_and_end(guardian: Guarding, umask: int | None) -> None:
    guardian.spawn(1, "/bin/sh", "-c", "exit 7", umask=umask)

    pid = guardian.born()

    assert guardian.hear() == (("ended", pid, os.CLD_EXITED, 7), [])


@pytest.mark.parametrize("umask", [None, 0o22], ids=["plain", "special"])
def test_it_tells_a_failed_birth_and_goes_on(guardian: Guarding, umask: int | None) -> None:
    guardian.spawn(1, "/no/such/program", umask=umask)
    guardian.spawn(2, "/bin/sleep", "300", umask=umask)

    failed, born = sorted((guardian.hear() for _ in range(2)), key=lambda heard: heard[0][0] == "born")

    assert failed[0][:4] == ("failed", 1, "exec", 2)
    assert born[0][:2] == ("born", 2)
    os.close(born[1][0])


@contextmanager
def first_served(pid: int, priority: int) -> Iterator[None]:
    """A process, but none that it forks, runs on one processor as soon as it can, before all with a lower priority."""
    before = os.sched_getaffinity(pid)
    try:
        os.sched_setscheduler(pid, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except PermissionError:
        pytest.skip("real-time scheduling needs CAP_SYS_NICE")
    os.sched_setaffinity(pid, {min(before)})
    try:
        yield
    finally:
        os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(pid, before)


def test_who_was_not_born_is_gone_before_that_is_told(guardian: Guarding) -> None:
    # So each goes on the moment it hears something, and who is about to exit stays there.
    with first_served(guardian.pid, 1), first_served(os.getpid(), 2):
        guardian.spawn(1, "/no/such/program", umask=0o22)
        assert guardian.hear()[0][0] == "failed"
        left = [each for each in processes() if each.parent == guardian.pid and each.alive]

    assert not left, "it would be killed in the end as one that has left its tree"


def test_births_are_answered_in_order(guardian: Guarding) -> None:
    for number in range(30):
        guardian.spawn(number, "/bin/sleep", "300")

    assert [guardian.hear()[0][1] for _ in range(30)] == list(range(30))


def test_the_pidfd_is_of_the_one_that_was_born(guardian: Guarding) -> None:
    guardian.spawn(1, "/bin/sleep", "300")
    (_, _, pid, started), fds = guardian.hear()
    assert isinstance(pid, int)
    found = process(pid)

    signal.pidfd_send_signal(fds[0], signal.SIGTERM)
    os.close(fds[0])

    assert found is not None
    assert found.started == started
    assert guardian.hear()[0] == ("ended", pid, os.CLD_KILLED, signal.SIGTERM)


@pytest.mark.parametrize("spared", [False, True])
def test_the_group_goes_with_its_leader_unless_it_is_spared(guardian: Guarding, spared: bool, tmp_path: Path) -> None:
    guardian.spawn(1, "/bin/sh", "-c", f"sleep 300 & echo $! > {tmp_path}/rest; while :; do sleep 0.02; done")
    pid = guardian.born()
    until = time.monotonic() + 10
    while not (tmp_path / "rest").exists() or not (tmp_path / "rest").read_text().strip():
        assert time.monotonic() < until
        time.sleep(0.01)
    rest = int((tmp_path / "rest").read_text())

    if spared:
        guardian.say("spare", pid)
    os.kill(pid, signal.SIGKILL)
    guardian.hear()

    if spared:
        assert is_alive(rest)
        kill(rest)
    else:
        assert gone(rest)


def test_what_is_discarded_is_killed(guardian: Guarding) -> None:
    guardian.spawn(1, "/bin/sleep", "300")
    pid = guardian.born()

    guardian.say("discard", pid)

    assert guardian.hear()[0] == ("ended", pid, os.CLD_KILLED, signal.SIGKILL)


def test_to_discard_or_spare_a_stranger_does_nothing(guardian: Guarding) -> None:
    guardian.say("discard", os.getpid())
    guardian.say("spare", os.getpid())
    guardian.say("forget", os.getpid())
    guardian.spawn(1, "/bin/true")

    guardian.born()


def test_a_number_with_another_start_is_not_adopted_and_not_killed(guardian: Guarding) -> None:
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as stranger:
        found = process(stranger.pid)
        assert found is not None
        guardian.say("adopt", stranger.pid, found.started - 1, "a", 1, None)
        guardian.say("finish")

        message, _ = guardian.hear()

        assert message == ("finished", [], [])
        assert stranger.poll() is None
        stranger.kill()


def test_what_is_adopted_is_killed_with_its_session(guardian: Guarding) -> None:
    script = "sleep 300 & echo ready; wait"
    with subprocess.Popen(["sh", "-c", script], start_new_session=True, stdout=subprocess.PIPE) as adopted:
        assert adopted.stdout is not None
        adopted.stdout.readline()
        found = process(adopted.pid)
        assert found is not None
        guardian.say("adopt", adopted.pid, found.started, "a", 1, None)
        guardian.say("finish")

        message, _ = guardian.hear()

        assert message[0] == "finished"
        assert isinstance(message[1], list)
        assert {each.partition(" ")[2] for each in message[1]} == {"(sh)", "(sleep)"}
        assert adopted.wait(10) == -signal.SIGKILL


def test_a_guardian_without_room_for_descriptors_fails_births_and_does_not_end(guardian: Guarding) -> None:
    guardian.spawn(1, "/bin/true")
    guardian.born()
    guardian.hear()
    before = descriptors(guardian.pid)
    limit = resource.prlimit(guardian.pid, resource.RLIMIT_NOFILE)

    for room in range(6):
        resource.prlimit(guardian.pid, resource.RLIMIT_NOFILE, (max(before) + 1 + room, limit[1]))
        for umask in (None, 0o22):
            guardian.spawn(2, "/bin/sleep", "300", umask=umask)
            message, fds = guardian.hear()
            if message[0] == "born":
                os.close(fds[0])
                os.kill(int(str(message[2])), signal.SIGKILL)
                assert guardian.hear()[0][0] == "ended"
            else:
                assert message[:2] == ("failed", 2)
    resource.prlimit(guardian.pid, resource.RLIMIT_NOFILE, limit)
    guardian.spawn(3, "/bin/true")

    guardian.born()
    assert guardian.hear()[0][0] == "ended"
    assert descriptors(guardian.pid) == before


STRAY = "setsid sh -c 'trap \"\" TERM HUP INT; sleep 300' & exec sleep 300"


def test_the_end_of_the_socket_ends_everybody(guardian: Guarding) -> None:
    guardian.spawn(1, "/bin/sh", "-c", STRAY)
    pid = guardian.born()

    guardian.launched.link.close()

    assert gone(pid)
    assert gone(guardian.pid)
    time.sleep(0.05)
    assert not [each for each in lineage.carriers(processes(), INSTANCE) if each.alive]


def test_a_message_that_is_none_of_the_known_ones_is_passed_over(guardian: Guarding) -> None:
    guardian.say("nonsense", 1, [])
    guardian.say()
    guardian.spawn(1, "/bin/true")

    guardian.born()


def test_it_loads_nothing_but_the_standard_library() -> None:
    code = (
        "import trio_supervisor.guardian.guardian\n"
        "print(sorted({n.partition('.')[0] for n in sys.modules} - sys.stdlib_module_names - {'__main__'}))"
    )
    root = str(Path(wards.__file__).parents[2])
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {root!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.strip() == "['trio_supervisor']"
    assert command("guardian")[1:3] == ["-I", "-S"]


# Whom it kills


def one(pid: int, *, parent: int = 1, session: int = 0, started: int = 100, name: str = "x") -> Process:
    return Process(pid, name, "S", parent, session or pid, session or pid, 1, started)


BEYOND = 1 << 23
"""No process has a number above this."""


class Table:
    """Processes that end when they are signalled."""

    def __init__(self, *everybody: Process) -> None:
        self.living = {each.pid: each for each in everybody}
        self.signalled: list[int] = []

    def take(self, monkeypatch: pytest.MonkeyPatch, marked: set[int]) -> None:
        monkeypatch.setattr(wards, "processes", lambda: list(self.living.values()))
        monkeypatch.setattr(wards, "process", self.living.get)
        monkeypatch.setattr(wards, "signal_exactly", self.signal)
        monkeypatch.setattr(
            wards, "carriers", lambda everybody, _instance: [each for each in everybody if each.pid in marked]
        )

    def signal(self, member: Process) -> None:
        self.signalled.append(member.pid)
        self.living.pop(member.pid, None)


def test_all_are_killed_who_descend_are_in_a_wards_session_or_bear_the_marker(monkeypatch: pytest.MonkeyPatch) -> None:
    us = os.getpid()
    table = Table(
        one(us, parent=BEYOND, started=1),
        one(BEYOND, started=1),  # the supervisor, parent of the guardian
        one(BEYOND + 1, parent=us),
        one(BEYOND + 2, parent=BEYOND + 1),
        one(BEYOND + 3),  # adopted
        one(BEYOND + 4, session=BEYOND + 3),
        one(BEYOND + 5, parent=BEYOND + 4),
        one(BEYOND + 6),  # marked
        one(BEYOND + 7, parent=BEYOND + 6),
        one(BEYOND + 8),  # a stranger
    )
    table.take(monkeypatch, marked={BEYOND + 6, us, BEYOND})
    ward = Ward(BEYOND + 3, "a", 1, None, adopted=True)

    killed, left = kill_all([ward], INSTANCE, lambda: False)

    assert {each.pid for each in killed} == {BEYOND + n for n in range(1, 8)} == set(table.signalled)
    assert left == []
    assert set(table.living) == {us, BEYOND, BEYOND + 8}


def test_a_session_whose_number_belongs_to_another_one_now_is_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(one(BEYOND, started=100))
    table.take(monkeypatch, marked=set())
    ward = Ward(BEYOND, "a", 1, None)
    table.living = {
        BEYOND: one(BEYOND, started=500),
        BEYOND + 1: one(BEYOND + 1, session=BEYOND, started=501),
    }

    assert kill_all([ward], INSTANCE, lambda: False) == ([], [])
    assert table.signalled == []


def test_nobody_of_a_session_is_older_than_its_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(one(BEYOND, started=100), one(BEYOND + 1, session=BEYOND, started=99))
    table.take(monkeypatch, marked=set())

    kill_all([Ward(BEYOND, "a", 1, None)], INSTANCE, lambda: False)

    assert table.signalled == [BEYOND]


def test_what_will_not_die_is_named_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    stubborn = one(BEYOND, parent=os.getpid())
    table = Table(stubborn)
    table.take(monkeypatch, marked=set())
    monkeypatch.setattr(wards, "signal_exactly", lambda member: table.signalled.append(member.pid))
    monkeypatch.setattr(wards, "PATIENCE", 0.05)

    killed, left = kill_all([], INSTANCE, lambda: False)

    assert [str(each) for each in left] == [f"{BEYOND} (x)"]
    assert killed == [stubborn]
    assert len(table.signalled) > 1


def test_a_thousand_wards_and_their_sessions_cost_no_quadratic_search(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = [one(BEYOND + n) for n in range(1000)]
    everybody += [one(BEYOND + 10_000 + n, session=BEYOND + n % 1000) for n in range(4000)]
    table = Table(*everybody)
    table.take(monkeypatch, marked=set())
    all_wards = [Ward(BEYOND + n, "a", 1, None) for n in range(1000)]
    begun = time.process_time()

    killed, left = kill_all(all_wards, INSTANCE, lambda: False)

    assert len(killed) == 5000
    assert left == []
    assert time.process_time() - begun < 2
