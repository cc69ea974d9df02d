"""The figures of a tree, for Prometheus: nothing is counted here, all is read off when somebody asks.

A child that is gone has no figures any more, so no series outlasts what it tells of. Labels are bounded: the paths of
agents, and words of enumerations.
"""

import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import trio
import trio.lowlevel

from trio_supervisor.control.api import Snapshot, State
from trio_supervisor.control.exposition import Exposition, Labels
from trio_supervisor.control.looks import locate
from trio_supervisor.core.child import Child
from trio_supervisor.engine.kept import Kept
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.engine.tally import BOUNDS, Tally
from trio_supervisor.errors import UnknownAgentError
from trio_supervisor.record import record

PREFIX = "trio_supervisor_"
NAP = 0.005
"""Seconds between two looks at how late the loop is."""

Samples = Iterator[tuple[Labels, float]]


@record
class _Seen:
    """One child at the time of the scrape."""

    snapshot: Snapshot
    supervisor: Supervisor
    child: Child
    kept: Kept

    @property
    def labels(self) -> dict[str, str]:
        return {"agent": self.snapshot.agent}


class _Lag:
    """How late a task comes to its turn that is due."""

    def __init__(self) -> None:
        self.worst = 0.0
        self.seen = trio.Event()
        """Set when there was a first look."""

    async def watch(self) -> None:
        while True:
            due = trio.current_time() + NAP
            await trio.sleep_until(due)
            self.worst = max(self.worst, trio.current_time() - due)
            self.seen.set()


async def scrape(
    top: Supervisor, snapshots: Sequence[Snapshot], journal: bool | None = None, *, openmetrics: bool
) -> bytes:
    """All figures. Between two families everybody else has a turn. `journal`: whether it can be written to; None: there
    is none.
    """
    begun = time.perf_counter()
    seen = list(_seen(top, snapshots))
    out = Exposition(openmetrics=openmetrics)
    lag = _Lag()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lag.watch)
        await trio.lowlevel.checkpoint()
        for tell in _FAMILIES:
            tell(out, seen)
            await trio.lowlevel.checkpoint()
        await lag.seen.wait()
        nursery.cancel_scope.cancel()
    _of_ourselves(out)
    out.gauge(
        f"{PREFIX}event_loop_lag_seconds",
        "How late a task that was due came to its turn, at the worst, while this was collected.",
        [({}, lag.worst)],
    )
    if journal is not None:
        out.gauge(
            f"{PREFIX}journal_up",
            "1 if what happens is written to the journal, 0 if that can't be done just now.",
            [({}, float(journal))],
        )
    taken = time.perf_counter() - begun
    out.gauge(f"{PREFIX}scrape_duration_seconds", "How long it took to collect this.", [({}, taken)])
    return out.text()


def _seen(top: Supervisor, snapshots: Sequence[Snapshot]) -> Iterator[_Seen]:
    for snapshot in snapshots:
        with suppress(UnknownAgentError):  # it is gone by now
            supervisor, child = locate(top, snapshot.agent)
            kept = supervisor.kept(child.id)
            if kept is not None:
                yield _Seen(snapshot, supervisor, child, kept)


# States


def _states(out: Exposition, seen: Sequence[_Seen]) -> None:
    count = Counter(one.snapshot.state for one in seen)
    out.gauge(
        f"{PREFIX}agents",
        "How many agents are in each state, supervisors among them.",
        [({"state": state.value}, count[state]) for state in State if state is not State.REMOVED],
    )
    out.states(
        f"{PREFIX}agent_state",
        "1 for the state that the agent is in, 0 for all others.",
        "state",
        [state.value for state in State if state is not State.REMOVED],
        [(one.labels, one.snapshot.state.value) for one in seen],
    )
    out.gauge(
        f"{PREFIX}agent_state_change_timestamp_seconds",
        "When the agent came into its state.",
        [(one.labels, one.snapshot.since) for one in seen],
    )


def _restarts(out: Exposition, seen: Sequence[_Seen]) -> None:
    out.counter(
        f"{PREFIX}agent_starts",
        "How many lives of the agent were begun in this run.",
        [(one.labels, one.child.generation) for one in seen],
    )
    out.counter(
        f"{PREFIX}agent_restarts",
        "How many of these were not its first, by reason: how the life before ended, the rule, or asked.",
        [({**one.labels, "reason": reason}, count) for one in seen for reason, count in one.child.lives_by.items()],
    )


def _failures(out: Exposition, seen: Sequence[_Seen]) -> None:
    out.gauge(
        f"{PREFIX}agent_consecutive_failures",
        "How often the agent has failed in a row; the delay before the next restart follows from it.",
        [(one.labels, one.child.attempts) for one in seen],
    )
    out.gauge(
        f"{PREFIX}agent_backoff_seconds",
        "The whole delay before the restart that the agent waits for; 0 when it waits for none.",
        [(one.labels, _backoff(one)) for one in seen],
    )
    out.summary(
        f"{PREFIX}agent_time_to_ready_seconds",
        "How long lives of the agent took from their beginning to ready.",
        [(one.labels, one.child.readied, one.child.ready_seconds) for one in seen],
    )


def _backoff(one: _Seen) -> float:
    due = one.supervisor.next_at(one.child.id)
    return max(0.0, due - one.child.since) if one.child.state is State.BACKOFF and due is not None else 0.0


# Probes


def _probes(out: Exposition, seen: Sequence[_Seen]) -> None:
    tallies: list[tuple[Labels, Tally]] = [
        ({**one.labels, "probe": role.value}, tally) for one in seen for role, tally in one.kept.tallies.items()
    ]
    out.histogram(
        f"{PREFIX}probe_duration_seconds",
        "How long answers to a probe took, those that did not come in time among them.",
        BOUNDS,
        [(labels, tally.buckets, tally.seconds) for labels, tally in tallies],
    )
    out.counter(
        f"{PREFIX}probe_failures",
        "How many answers to a probe were failures.",
        [(labels, tally.failed) for labels, tally in tallies],
    )
    out.gauge(
        f"{PREFIX}agent_failing_since_timestamp_seconds",
        "When the first failed answer of a probe came that is not made up for yet; no value if there is none.",
        [(one.labels, since) for one in seen if (since := one.snapshot.failing_since) is not None],
    )


# Output and use


def _output(out: Exposition, seen: Sequence[_Seen]) -> None:
    rings = [(one, ring) for one in seen if (ring := one.supervisor.ring(one.child.id)) is not None]
    out.counter(
        f"{PREFIX}agent_output_bytes",
        "How much the agent has said, and was said of it (stream supervisor).",
        [({**one.labels, "stream": stream.value}, size) for one, ring in rings for stream, size in ring.said.items()],
    )
    out.counter(
        f"{PREFIX}agent_output_dropped_bytes",
        "How much of that could not be written to the agent's log files.",
        [(one.labels, one.supervisor.lost(one.child.id)) for one in seen],
    )


def _use(out: Exposition, seen: Sequence[_Seen]) -> None:
    used = [(one.labels, use) for one in seen if (use := one.snapshot.usage) is not None]
    out.counter(
        f"{PREFIX}agent_cpu_seconds",
        "CPU time of the agent's life, with all that it has started.",
        [(labels, use.cpu_seconds) for labels, use in used],
    )
    out.gauge(
        f"{PREFIX}agent_memory_bytes",
        "Memory of the agent with all that it has started.",
        [(labels, use.memory_bytes) for labels, use in used],
    )
    out.gauge(
        f"{PREFIX}agent_processes",
        "Processes of the agent.",
        [(labels, use.processes) for labels, use in used],
    )


_Tell = Callable[[Exposition, Sequence[_Seen]], None]
_FAMILIES: tuple[_Tell, ...] = (_states, _restarts, _failures, _probes, _output, _use)


# The supervisor itself, under the names that all programs have


def _of_ourselves(out: Exposition) -> None:
    from importlib.metadata import version  # noqa: PLC0415 -- it reads the disk

    labels = {"version": version("trio-supervisor"), "python": sys.version.partition(" ")[0]}
    out.gauge(f"{PREFIX}build_info", "1; which program this is.", [(labels, 1)])
    used = resource.getrusage(resource.RUSAGE_SELF)
    out.counter("process_cpu_seconds", "CPU time of the supervisor.", [({}, used.ru_utime + used.ru_stime)])
    with suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        started = _booted() + int(fields[19]) / os.sysconf("SC_CLK_TCK")
        out.gauge("process_start_time_seconds", "When the supervisor was started.", [({}, started)])
        resident = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        out.gauge("process_resident_memory_bytes", "Memory of the supervisor.", [({}, resident)])
        out.gauge("process_open_fds", "Open file descriptors.", [({}, len(os.listdir("/proc/self/fd")))])
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    out.gauge("process_max_fds", "The limit of open file descriptors.", [({}, limit)])


def _booted() -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
