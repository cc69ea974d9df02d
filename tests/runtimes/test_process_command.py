"""Short commands beside a child."""

import os
from math import inf

import pytest
import trio

from tests.runtimes.contract import Heard, live
from tests.runtimes.process_helpers import (
    descriptors,
    free_ports,
    has_children,
    is_alive,
    life_of,
    program,
    runtime_of,
    shell,
)
from trio_supervisor.commands import Completed
from trio_supervisor.errors import ProbeError

pytestmark = pytest.mark.usefixtures("spawned")


async def test_how_it_ended_and_what_it_said_on_both_streams() -> None:
    life, heard = life_of("true")

    assert await life.run(shell("echo one; echo two >&2; echo three; exit 4"), 10) == Completed(4, b"one\ntwo\nthree\n")
    assert heard.chunks == []


async def test_a_signal_is_a_negative_code() -> None:
    life, _ = life_of("true")

    assert await life.run(shell("kill -15 $$"), inf) == Completed(-15, b"")


async def test_it_runs_in_the_place_of_the_child(tmp_path: os.PathLike[str]) -> None:
    heard = Heard()
    port = free_ports()
    runtime = runtime_of(("true",), port=port, cwd=str(tmp_path), env={"MODEL": "small"})
    life = runtime.life(heard.launch("web", generation=2))
    await live(life)

    completed = await life.run(shell("pwd; echo $AGENT_ID $AGENT_PORT $AGENT_GENERATION $MODEL"), 10)
    runtime.close()

    assert completed == Completed(0, f"{tmp_path}\nweb {port} 2 small\n".encode())


async def test_commands_and_lives_are_numbered_in_one_row_so_that_none_is_taken_for_the_other() -> None:
    """What is left of one is killed by its number: a command's would be that of a stranger's life."""
    numbers: list[int] = []
    for _ in range(3):
        life, heard = life_of(*shell("echo $AGENT_LINEAGE"))
        await live(life)
        command = await life.run(shell("echo $AGENT_LINEAGE"), 10)
        numbers += [int(said.split()[-1].rpartition(b":")[2]) for said in (heard.said(), command.output)]

    assert numbers == list(range(numbers[0], numbers[0] + 6))


async def test_only_the_last_4_kib_are_kept() -> None:
    life, _ = life_of("true")

    completed = await life.run(shell("seq 1 20000; echo end"), 10)

    assert len(completed.output) == 4096
    assert completed.output.endswith(b"19999\n20000\nend\n")


async def test_a_flooding_command_is_killed_when_its_time_is_over() -> None:
    life, _ = life_of("true")

    with trio.fail_after(5):
        completed = await life.run(program("flood.py"), 0.3)

    assert completed == Completed(None, b"x" * 1023 + b"\n" + (b"x" * 1023 + b"\n") * 3)


async def test_when_its_time_is_over_all_that_it_forked_is_killed() -> None:
    life, _ = life_of("true")

    completed = await life.run(shell("trap '' TERM; sleep 300 & echo $!; sleep 300"), 0.3)

    assert completed.code is None
    assert not is_alive(int(completed.output))


async def test_what_it_leaves_behind_is_killed() -> None:
    life, _ = life_of("true")

    completed = await life.run(shell("sleep 300 & echo $!"), 10)

    assert completed.code == 0
    assert not is_alive(int(completed.output))


async def test_when_its_caller_is_cancelled_all_that_it_forked_is_killed() -> None:
    life, _ = life_of("true")
    await life.run(["true"], 10)
    before = descriptors()

    with trio.move_on_after(0.3) as scope:
        # The check that nothing is left is that of every test here.
        await life.run(shell("sleep 300 & sleep 300"), inf)

    assert scope.cancelled_caught
    assert descriptors() == before


async def test_a_command_that_can_not_be_run_is_no_answer_about_the_child() -> None:
    life, _ = life_of("true")

    with pytest.raises(ProbeError, match="'pg_isredy' not found on PATH"):
        await life.run(["pg_isredy"], 10)


async def test_many_commands_leave_nothing() -> None:
    life, _ = life_of("true")
    await life.run(["true"], 10)
    before = descriptors()

    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(life.run, ["true"], 10)

    assert descriptors() == before
    assert not has_children()
