"""`run --watch`: saved in any way, applied once; a bad file is told once and changes nothing."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.cli.running import running
from tests.control.trees import PATIENCE, short_directory
from trio_supervisor.cli import watching
from trio_supervisor.cli.watching import Watching, signs
from trio_supervisor.cli.wording import Tone
from trio_supervisor.control.api import Action, AgentChange, Operation, Phase, Verb
from trio_supervisor.errors import ConfigError, ConflictError
from trio_supervisor.system.inotify import Inotify


class Applied:
    """A control that can only apply."""

    def __init__(self) -> None:
        self.count = 0
        self.mistake = ""
        self.outcomes: dict[int, trio.Event] = {}

    async def outcome(self, number: int) -> None:
        self.outcomes[number] = trio.Event()
        await self.outcomes[number].wait()
        raise ConflictError(f"operation {number} has failed")

    async def apply(self, *, wait: bool | float = True) -> Operation:
        await trio.lowlevel.checkpoint()
        self.count += 1
        if self.mistake:
            raise ConfigError(self.mistake)
        changes = (AgentChange("a", Action.RESTART), AgentChange("b", Action.KEEP))
        return Operation(self.count, Verb.APPLY, "", Phase.PENDING, 0, changes=changes)


class Watched:
    """A file that is watched."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.applied = Applied()
        self.said: list[str] = []
        self.files = [str(file)]

    async def see(self, count: int) -> None:
        with trio.fail_after(PATIENCE):
            while self.applied.count < count:
                await trio.sleep(0.01)

    async def quiet(self) -> None:
        """As long as a change would take to be seen."""
        await trio.sleep(0.3)


@asynccontextmanager
async def watched(file: Path) -> AsyncIterator[Watched]:
    file.write_text("one")
    it = Watched(file)

    def say(text: str, tone: Tone) -> None:
        it.said.append(text)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(Watching(it.applied, lambda: it.files, say, signs(it.files)).run)  # type: ignore[arg-type]
        await trio.testing.wait_all_tasks_blocked()
        yield it
        nursery.cancel_scope.cancel()


@pytest.fixture(autouse=True, params=["inotify", "polling"])
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "QUIET", 0.1)
    monkeypatch.setattr(watching, "PERIOD", 0.05)
    if request.param == "polling":
        monkeypatch.setattr(Inotify, "__init__", _none)


def _none(_self: object) -> None:
    raise OSError("too many")


def _in_place(file: Path) -> None:
    file.write_text("two, in place")


def _by_rename(file: Path) -> None:
    other = file.with_suffix(".tmp")
    other.write_text("two, by rename")
    other.rename(file)


def _anew(file: Path) -> None:
    file.unlink()
    file.write_text("two, anew")


@pytest.mark.parametrize("save", [_in_place, _by_rename, _anew])
async def test_every_way_to_save_is_seen(tmp_path: Path, save: Callable[[Path], None]) -> None:
    async with watched(tmp_path / "f") as it:
        for count in (1, 2):
            it.file.write_text(f"before {count}")
            save(it.file)
            await it.see(count)
            await it.quiet()
        assert it.said == ["the file has changed: 1 to restart"] * 2
        assert it.applied.count == 2


async def test_a_burst_of_saves_is_one(tmp_path: Path) -> None:
    async with watched(tmp_path / "f") as it:
        for number in range(20):
            it.file.write_text("x" * number)
        await it.see(1)
        await it.quiet()
        assert it.applied.count == 1


async def test_what_a_link_leads_to(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text(name)
    (tmp_path / "here").mkdir()
    (tmp_path / "data").symlink_to("a")
    link = tmp_path / "here" / "f"
    link.symlink_to("../data/f")
    async with watched(link) as it:
        (tmp_path / "a" / "f").write_text("changed")
        await it.see(1)


async def test_a_bad_file_is_told_once_and_another_one_again(tmp_path: Path) -> None:
    async with watched(tmp_path / "f") as it:
        it.applied.mistake = "f:1:1: no"
        for count in (1, 2):
            it.file.write_text(f"bad {count * 'x'}")
            await it.see(count)
        it.applied.mistake = "f:2:2: never"
        it.file.unlink()
        await it.see(3)
        it.applied.mistake = ""
        it.file.write_text("good")
        await it.see(4)
        await it.quiet()
        assert it.said == [
            "nothing is changed: f:1:1: no",
            "nothing is changed: f:2:2: never",
            "the file has changed: 1 to restart",
        ]


async def test_what_could_not_be_applied_is_told_unless_a_later_save_has_taken_its_place(tmp_path: Path) -> None:
    async with watched(tmp_path / "f") as it:
        for count in (1, 2):
            it.file.write_text(f"good {count * 'x'}")
            await it.see(count)
            await it.quiet()
        it.applied.outcomes[1].set()
        it.applied.outcomes[2].set()
        await trio.testing.wait_all_tasks_blocked()
        assert it.said[2:] == ["not all of the file could be applied: operation 2 has failed"]


async def test_other_files_in_the_directory_are_nothing(tmp_path: Path) -> None:
    async with watched(tmp_path / "f") as it:
        for number in range(5):
            (tmp_path / f"other{number}").write_text("x")
            os.utime(tmp_path / "other0")
        await it.quiet()
        assert it.applied.count == 0


async def test_what_changed_before_it_was_watched_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("one")
    before = signs([str(file)])
    file.write_text("another one")
    applied = Applied()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Watching(applied, lambda: [str(file)], lambda *_: None, before).run)  # type: ignore[arg-type]
        with trio.fail_after(PATIENCE):
            while not applied.count:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()


@pytest.mark.slow
async def test_a_run_follows_its_file_and_what_it_includes(request: pytest.FixtureRequest) -> None:
    if "polling" in request.node.name:
        pytest.skip("it is told by the system")
    with short_directory() as directory:
        (directory / "team.yaml").write_text("agents: {b: {command: [sleep, '600']}}")
        async with running(
            directory, "include: team.yaml\nagents: {a: {command: ['true'], restart: temporary}}", "--watch"
        ) as run:
            await run.see("● finished")
            await run.see("● ready")
            (directory / "team.yaml").write_text("agents: {b: {command: [sleep, '601']}}")
            await run.see("supervisor | ● the file has changed: 1 to restart")
            await run.see("● ready", 2)
            (directory / "supervisor.yaml").write_text("agents: {a: {comand: x}}")
            await run.see("nothing is changed: ")
            assert "supervisor.yaml:1:14: unknown key 'comand'; did you mean 'command'?" in run.output
            (directory / "supervisor.yaml").write_text("agents: {c: {command: [sleep, '600']}}")
            await run.see("● ready", 3)
            await run.see("● removed")
            run.send(signal.SIGINT)
            assert await run.end() == 0
