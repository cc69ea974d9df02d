"""What the second of the four systems that this project starts from (an interactive process manager, "B") does with
output, and each of its faults there: numbers as in its description. Its sessions are tested elsewhere.
"""

import sys
import time

import pytest
import trio

from trio_supervisor import ChildSpec, Handle, RingLimits, Selection, Stream, Supervisor, TailLimits, process
from trio_supervisor.output.ring import Limits, Ring

PATIENCE = 60.0


def saying(code: str, id: str = "a", ring: RingLimits | None = None) -> ChildSpec:
    return process(id, [sys.executable, "-u", "-c", code], restart="temporary", stop="kill", ring=ring)


async def when_said(handle: Handle, text: str) -> None:
    async for line in handle.follow(0):
        if line.text == text:
            return


async def test_b3_so_many_lines_are_kept_and_the_oldest_go_with_their_number() -> None:
    """B 3: 1,000 lines, and when full the oldest 100 are dropped silently. Here the number is told."""
    # Whole lines: what is dropped is counted in pieces, and a line that is read in two pieces is two.
    code = "import os, time\nfor n in range(1234): os.write(1, b'%d\\n' % n)\nos.write(1, b'end\\n'); time.sleep(600)"
    child = saying(code, ring=RingLimits(lines=1000))
    with trio.fail_after(PATIENCE):
        async with Supervisor(child) as tree:
            await when_said(tree["a"], "end")

            lines = tree["a"].output()

    # How many come with one reading is up to the machine; of a flood at least half of the limit stays.
    assert 500 <= len(lines) <= 1000
    assert lines[0].dropped == 1235 - len(lines)
    assert [line.text for line in lines] == [*map(str, range(1235 - len(lines), 1234)), "end"]


async def test_b6_and_w5_reading_takes_nothing_away_and_each_reader_goes_on_from_its_own_cursor() -> None:
    """B 6: a destructive read. B-W5: two readers steal from each other."""
    child = saying("import time\nfor n in range(6): print(n)\nprint('end'); time.sleep(600)")
    with trio.fail_after(PATIENCE):
        async with Supervisor(child) as tree:
            await when_said(tree["a"], "end")
            first, again = tree["a"].output(), tree["a"].output()
            rest = tree["a"].output(since=first[3].seq + 1)

    assert first == again
    assert rest == first[4:]


async def test_w4_a_prompt_is_seen_and_a_byte_that_is_no_utf8_ends_nothing() -> None:
    """B-W4: a prompt without a line end is never seen; one byte that is no UTF-8 ends the reader and the child."""
    child = saying("import os, time\nos.write(1, b'\\xff\\nPassword:'); time.sleep(600)")
    with trio.fail_after(PATIENCE):
        async with Supervisor(child) as tree:
            await when_said(tree["a"], "Password:")

            assert tree["a"].snapshot().pid is not None
            assert [line.data for line in tree["a"].output()] == [b"\xff", b"Password:"]


def test_w4_what_has_no_line_end_is_bounded_by_bytes() -> None:
    """B-W4: the limit counts lines, not bytes, and a stream without line ends grows without bound."""
    ring = Ring(Limits(bytes=1 << 20))

    for _ in range(100):
        ring.append(Stream.STDOUT, b"x" * 100_000, 1)

    assert ring.size <= 1 << 20
    assert ring.read().dropped > 0


async def test_w5_both_streams_have_one_order_and_each_line_has_its_time() -> None:
    """B-W5: no cursor, no time, no order between the streams."""
    child = saying(
        "import os, time\nfor n in range(6): os.write(1 + n % 2, b'%d\\n' % n); time.sleep(0.05)\ntime.sleep(600)"
    )
    before, before_mono = time.time(), time.monotonic()
    with trio.fail_after(PATIENCE):
        async with Supervisor(child) as tree:
            await when_said(tree["a"], "5")
            lines = tree["a"].output()
            errors = tree["a"].output(selection=Selection(stream=Stream.STDERR))

    assert [line.text for line in lines] == list("012345")
    assert [line.seq for line in lines] == sorted(line.seq for line in lines)
    assert [line.text for line in errors] == list("135")
    assert before <= lines[0].at <= lines[-1].at <= time.time()
    assert before_mono <= lines[0].mono <= lines[-1].mono <= time.monotonic()


async def test_w5_what_was_said_last_outlives_the_kill_and_the_removal() -> None:
    """B-W5: the buffers go with the entry when a process is killed."""
    child = saying("print('last words'); import time; time.sleep(600)")
    with trio.fail_after(PATIENCE):
        async with Supervisor(child) as tree:
            handle = tree["a"]
            await when_said(handle, "last words")
            await handle.stop()
            stopped = [line.text for line in handle.output() if line.stream is Stream.STDOUT]
            await handle.remove()

            assert stopped == ["last words"]
            assert "last words" in [line.text for line in handle.output()]


async def test_w5_the_tails_of_all_lives_are_told_apart() -> None:
    child = saying("import os; print(os.environ['AGENT_GENERATION'])")
    with trio.fail_after(PATIENCE):
        async with Supervisor(child) as tree:
            for _ in range(3):
                await tree["a"].wait_exit()
                await tree["a"].restart()
            await tree["a"].wait_exit()

            said = [(line.generation, line.text) for line in tree["a"].output() if line.stream is Stream.STDOUT]

    assert said == [(number, str(number)) for number in range(1, 5)]


@pytest.mark.parametrize("kept", [0, 1])
async def test_w5_so_many_tails_are_kept_as_was_said(kept: int) -> None:
    children = [saying("print('x')", id) for id in ("a", "b")]
    with trio.fail_after(PATIENCE):
        async with Supervisor(*children, tails=TailLimits(keep=kept)) as tree:
            handles = [tree["a"], tree["b"]]
            for handle in handles:
                await handle.wait_exit()
                await handle.remove()

            assert [bool(handle.output()) for handle in handles] == [False, bool(kept)]


async def test_w11_a_reader_that_stops_loses_lines_and_is_told_and_the_child_goes_on() -> None:
    """B-W11: readers are detached, and what they miss is missed silently."""
    child = saying(
        "import sys\nfor n in range(30000): sys.stdout.write('%d\\n' % n)\nprint('end'); import time; time.sleep(600)"
    )
    with trio.fail_after(PATIENCE):
        async with Supervisor(child) as tree:
            slow = tree["a"].follow(0)
            first = await anext(slow)
            await when_said(tree["a"], "end")
            rest = [first]
            while rest[-1].text != "end":
                rest.append(await anext(slow))

    assert len(rest) + sum(line.dropped for line in rest) == 30_001
