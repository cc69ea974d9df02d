"""The command `run`: a tree of agents in the foreground of a terminal, a container or a unit."""

import argparse
import gc
import logging
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import trio
from attrs import define, field

from trio_supervisor.cli import exit_codes, leftovers, outcome, style
from trio_supervisor.cli.console import Console, Format
from trio_supervisor.cli.consoles import Closing, Consoles
from trio_supervisor.cli.signals import act_on, received
from trio_supervisor.cli.text_format import TextFormat
from trio_supervisor.cli.wording import Tone
from trio_supervisor.cli.writer import Writer
from trio_supervisor.config.apart import Reading
from trio_supervisor.config.loaded import Loaded
from trio_supervisor.control.api import Control, Event, Snapshot, State
from trio_supervisor.errors import UnknownAgentError
from trio_supervisor.guardian.launch import Guard, Launched
from trio_supervisor.output.hub import Hub
from trio_supervisor.rereading import read_agents, reread
from trio_supervisor.wiring import (
    Claim,
    Journal,
    Order,
    Sources,
    Written,
    check_containers,
    claimed,
    guardian_lives,
    open_tree,
    past_of,
    served,
)

if TYPE_CHECKING:
    from trio_supervisor.cli.detach import Upstart
    from trio_supervisor.cli.listening import Opened
    from trio_supervisor.cli.systemd import Notifier
    from trio_supervisor.cli.watching import Signs, Watching
    from trio_supervisor.journal.restoring import Past
    from trio_supervisor.output.own_log import OwnLog

LAST_WORDS = 2.0
"""So many seconds a slow reader of the output has at the end."""
_STDOUT = 1


def run(options: argparse.Namespace, guardian: Launched | None, reading: Reading) -> int:
    """Run the tree of a file; returns the exit code. Signals are held back (see `mask`).

    `guardian`: launched before, as far as that was possible. `reading`: the file, whose reading has begun before.
    """
    loaded = reading()
    watched = options.exit_code_from
    if watched is not None and watched not in loaded.agents:
        raise UnknownAgentError(f"--exit-code-from: no agent {watched!r} is to run")
    if logging.lastResort is not None:
        logging.lastResort.addFilter(lambda record: not _is_shown_elsewhere(record))
    with claimed(loaded.path, options.state_dir, os.environ) as claim, ExitStack() as stack:
        check_containers(loaded.spec, claim.directory)
        # Not its real path: relative paths in it begin where it was named.
        file, seen = os.path.abspath(options.file), _signs(options, loaded)
        it = _Run(loaded, options, guardian, claim, file, loaded.files, seen, _open_door(options, stack))
        if options.report is not None:
            from trio_supervisor.cli.detach import Upstart  # noqa: PLC0415 -- for most runs nobody waits

            it.upstart = Upstart(options, claim.directory)
        return trio.run(it.main)


def _open_door(options: argparse.Namespace, stack: ExitStack) -> "Opened | None":
    if options.listen is None:
        return None
    from trio_supervisor.cli.listening import open_door  # noqa: PLC0415 -- most runs need none

    return open_door(options, stack)


@define
class _Run:
    loaded: Loaded
    options: argparse.Namespace
    guardian: Launched | None
    claim: Claim
    file: str
    """Absolute."""
    files: tuple[str, ...]
    """All that were read last."""
    seen: "Signs"
    """How they were then, if they are watched."""
    door: "Opened | None" = None
    asked: trio.Event = field(factory=trio.Event)
    """Somebody has asked for the end."""
    watched: trio.Event = field(factory=trio.Event)
    """The agent of --exit-code-from has ended for good."""
    not_killed: bool = False
    """Something that no agent is held responsible for, such as a container of a life before, is still there."""
    own_log: "OwnLog | None" = None
    upstart: "Upstart | None" = None
    """Who waits in a terminal for this to be up."""
    notifier: "Notifier | None" = None
    """Tells the service manager that has started this."""

    async def main(self) -> int:
        directory = self.claim.directory
        hub = Hub(None if directory is None else os.fspath(directory / "logs"), self.loaded.spec.tails)
        with received() as signals:
            async with self._open_console() as console:
                with console.listening(hub):
                    snapshots = await self._live(hub, console, signals)
                console.say(_summary(snapshots), name="ended")
        return self._exit_code(snapshots)

    async def _live(self, hub: Hub, console: Consoles, signals: AsyncIterator[int]) -> tuple[Snapshot, ...]:
        for warning in (*self.loaded.warnings, *self.claim.warnings, *(self.door.warnings if self.door else ())):
            console.say(warning, tone=Tone.WARNING)
            if self.upstart is not None:
                self.upstart.warn(warning)
        if self.door is not None:
            console.say(self.door.words, name="listening")
        journal = self._open_journal(console)
        for text, tone in leftovers.describe(await self.claim.clear()):
            console.say(text, tone=tone, name="leftover")
        past = await self._past(journal, console)
        self.notifier = _notifier(console)
        # The signals are acted on longer than the tree lasts: a second one must cut a stop that is under way.
        async with trio.open_nursery() as nursery:
            guard = self._guard(console)
            watch = partial(self._tell, console)
            sources, directory = self._sources(console), self.claim.directory
            tree = open_tree(self.loaded.spec, hub, watch, guard, console.remark, journal, past, sources, directory)
            async with tree as control:
                acting = partial(act_on, reopen=partial(self._reopen, hub), record=partial(_record, journal))
                nursery.start_soon(acting, signals, control, self._ask_for_end)  # noqa: ASYNC111 -- for that reason
                control.on_shutdown(self._ask_for_end)
                if self.options.watch:
                    nursery.start_soon(self._watching(control, console).run)  # noqa: ASYNC111 -- ends before the tree
                listening = None if self.door is None else self.door.listening
                warn = partial(_warn, console)
                async with served(control, self.claim.directory, os.environ, warn, listening, journal):
                    if self.upstart is not None:
                        self.upstart.tell()
                        if not self.upstart.up:
                            control.end("it can't be detached")
                    if self.notifier is not None:
                        self.notifier.begin(control.snapshot())
                        nursery.start_soon(self.notifier.run)  # noqa: ASYNC111 -- to the end of the tree
                    reason = await self._wait(control)
                    self._say_stopping()
                    control.end(reason)
                    await control.wait()
                if self._exit_code(control.snapshot()) == exit_codes.NOT_KILLED:
                    hub.flush()
                    console.say(_summary(control.snapshot()), tone=Tone.BAD, name="ended")
                    await hub.aclose(LAST_WORDS)
                    await _leave_by_force(console)
            nursery.cancel_scope.cancel()
            hub.flush()
        if self.notifier is not None:
            await self.notifier.aclose()
        return control.snapshot()

    def _open_journal(self, console: Consoles) -> Journal | None:
        path, limits = self.claim.journal, self.loaded.spec.journal
        if path is None or limits is None:
            return None
        say = partial(console.say, tone=Tone.WARNING)
        return Journal(os.fspath(path), limits, say, fresh=self.options.fresh)

    async def _past(self, journal: Journal | None, console: Consoles) -> "Past | None":
        """What the run before has left; who stays down because of it is said."""
        past = await past_of(journal, self.loaded.spec, self.options.agents) if journal is not None else None
        if past is not None and past.kept:
            names = ", ".join(f"{agent} ({state})" for agent, state in past.kept)
            text = f"left down by the run before: {names}; name it, or run with --fresh, to start it"
            console.say(text, tone=Tone.WARNING, name="left_down")
        return past

    def _watching(self, control: Control, console: Consoles) -> "Watching":
        from trio_supervisor.cli.watching import Watching  # noqa: PLC0415 -- only where it is asked for

        def say(text: str, tone: Tone) -> None:
            console.say(text, tone=tone, name="file_changed")

        return Watching(control, lambda: self.files, say, self.seen)

    async def _reread(self) -> Written:
        written = await reread(self.file, self.options.agents)
        self.files = written.files
        return written

    def _sources(self, console: Consoles) -> Sources:
        """How the file is read again. Who runs only some of its agents has no others come back."""
        only = self.options.agents
        read_some = partial(read_agents, os.path.dirname(self.file))
        return Sources(self._reread, read_some, partial(_warn, console), self.file, restore=not only)

    def _guard(self, console: Consoles) -> Guard:
        lease = self.claim.lease
        return Guard(
            lambda text: console.say(text, tone=Tone.WARNING),
            self.guardian,
            lease=None if lease is None else os.fspath(lease),
            heir=True,
            not_killed=self._note_not_killed,
        )

    def _note_not_killed(self) -> None:
        self.not_killed = True

    def _ask_for_end(self) -> None:
        self.asked.set()
        # What is there now goes with the program, and looking at all of it takes longer than the stop of many agents.
        gc.freeze()
        self._say_stopping()

    def _say_stopping(self) -> None:
        if self.notifier is not None:
            self.notifier.stop()

    def _tell(self, console: Consoles, event: Event) -> None:
        if self.notifier is not None:
            self.notifier.note(event)
        console.notice(event.change, trio.current_time(), port=event.port, pid=event.pid)
        if event.change.child == self.options.exit_code_from and event.change.new.resting:
            self.watched.set()

    async def _wait(self, control: Control) -> str:
        """Wait until it is time to end; returns why."""
        async with trio.open_nursery() as nursery:
            if self.options.exit_code_from is not None:
                nursery.start_soon(_cancel_after, self.watched, nursery.cancel_scope)
            if self.options.stay or self.options.watch or self.options.exit_code_from is not None:
                await self.asked.wait()
            await control.wait()
            nursery.cancel_scope.cancel()
        return f"{self.options.exit_code_from} has ended" if self.watched.is_set() else "nothing is left to run"

    def _exit_code(self, snapshots: tuple[Snapshot, ...]) -> int:
        code = outcome.of_tree(snapshots, asked=self.asked.is_set())
        if self.not_killed:
            return exit_codes.NOT_KILLED
        if self.upstart is not None and not self.upstart.up:
            return max(code, exit_codes.GAVE_UP)
        if code != exit_codes.NOT_KILLED and self.watched.is_set() and not self.asked.is_set():
            return next(outcome.of_exit(one.last_exit) for one in snapshots if one.agent == self.options.exit_code_from)
        return code

    @asynccontextmanager
    async def _open_console(self) -> AsyncIterator[Consoles]:
        parts: list[tuple[Console, Closing]] = []
        if self.upstart is None:
            writer = Writer(_STDOUT, _tell_broken)
            parts.append((Console(writer, self._format()), writer))
        console = Consoles(parts)
        if self.options.log_file is not None:
            console.add(*self._open_log(console))
        try:
            yield console
        finally:
            await console.aclose(LAST_WORDS)  # noqa: ASYNC102 -- it shields itself, and is bounded

    def _open_log(self, console: Consoles) -> tuple[Console, Closing]:
        from trio_supervisor.cli.timed_format import TimedFormat  # noqa: PLC0415 -- most runs have no such file
        from trio_supervisor.output.own_log import OwnLog  # noqa: PLC0415

        opened = None if self.upstart is None else self.upstart.log_opened
        self.own_log = OwnLog(self.options.log_file, partial(console.say, tone=Tone.WARNING), opened)
        return Console(
            self.own_log, _json_format() if self.options.log_format == "json" else TimedFormat()
        ), self.own_log

    def _reopen(self, hub: Hub) -> None:
        hub.reopen_logs()
        if self.own_log is not None:
            self.own_log.reopen()

    def _format(self) -> Format:
        if self.options.log_format == "json":
            return _json_format()
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        look = style.detect(terminal=os.isatty(_STDOUT), env=os.environ, encoding=encoding)
        return TextFormat(look, self.loaded.agents)


def _json_format() -> Format:
    from trio_supervisor.cli.json_format import JsonFormat  # noqa: PLC0415 -- few runs speak JSON

    return JsonFormat()


def _notifier(console: Consoles) -> "Notifier | None":
    if "NOTIFY_SOCKET" not in os.environ:
        return None
    from trio_supervisor.cli.systemd import Notifier, taken  # noqa: PLC0415 -- most runs are started by no manager

    manager = taken(os.environ, os.getpid())
    return None if manager is None else Notifier(manager, partial(_warn, console), guardian_lives)


def _signs(options: argparse.Namespace, loaded: Loaded) -> "Signs":
    if not options.watch:
        return {}
    from trio_supervisor.cli.watching import signs  # noqa: PLC0415 -- only where it is asked for

    return signs(loaded.files)


async def _record(journal: Journal | None, verb: str, signal: str) -> None:
    if journal is not None:
        await journal.order(Order(verb, who=f"signal {signal}", origin="console"))


def _is_shown_elsewhere(record: logging.LogRecord) -> bool:
    """Whether the console shows it, as the words of the task that has logged it."""
    return hasattr(record, "_of_supervised_task")


async def _leave_by_force(console: Consoles) -> NoReturn:
    """End the program although something of it goes on: Trio would wait for ever for a task that can't be cancelled."""
    await console.aclose(LAST_WORDS)
    os._exit(exit_codes.NOT_KILLED)


def _warn(console: Consoles, text: str) -> None:
    console.say(text, tone=Tone.WARNING)


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def _tell_broken(error: OSError) -> None:
    try:
        sys.stderr.write(f"trio-supervisor: nobody takes the output any more ({error.strerror}); the agents run on\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        # A closed terminal takes both away; SIGHUP, which comes with it, decides what happens.
        return


def _summary(snapshots: Iterable[Snapshot]) -> str:
    """What has become of the agents, in a line."""
    count = Counter(one.state for one in snapshots)
    if not count:
        return "there was nothing to run"
    names = {
        state: ", ".join(one.agent for one in snapshots if one.state is state) for state in (State.FAILED, State.HELD)
    }
    parts = [
        f"{count[state]} {state.value}" + (f" ({names[state]})" if state in names else "")
        for state in State
        if count[state]
    ]
    return "all agents are down: " + ", ".join(parts)
