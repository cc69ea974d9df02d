"""Questions over standard input: what is written when, and what is taken out of what the child says."""

import json
import os

import pytest
import trio

from trio_supervisor.errors import WriterBusyError
from trio_supervisor.questions import LONGEST_ANSWER, MOST_OPEN, Questions, UnfinishedLineError
from trio_supervisor.runtimes.process.input import InputPipe
from trio_supervisor.writing import Lease


class Written:
    """A pipe that takes everything, or nothing."""

    in_line = False
    full = False

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def put_line(self, line: bytes) -> bool:
        if not self.full:
            self.lines.append(line)
        return not self.full

    async def wait_room(self) -> None:
        await trio.sleep_forever()


class Asked:
    """Questions that were put, and nobody waits for."""

    def __init__(self) -> None:
        self.lease = Lease("a")
        self.pipe = Written()
        self.questions = Questions(lambda: self.lease, lambda: self.pipe)

    async def put(self, times: int = 1) -> None:
        for _ in range(times):
            with trio.move_on_after(0):
                await self.questions._write("ping")


def answer(number: int, **more: object) -> bytes:
    more = more or {"result": {}}
    return json.dumps({"jsonrpc": "2.0", "id": f"trio-supervisor-{number}", **more}).encode() + b"\n"


async def test_a_question_is_one_line_of_json_rpc_with_an_id_of_its_own() -> None:
    it = Asked()

    await it.put(2)

    assert [json.loads(line) for line in it.pipe.lines] == [
        {"jsonrpc": "2.0", "id": f"trio-supervisor-{number}", "method": "ping", "params": {}} for number in (1, 2)
    ]
    assert all(line.endswith(b"\n") and len(line) < 512 for line in it.pipe.lines)


@pytest.mark.parametrize("cut", range(1, 60, 7))
async def test_answers_are_taken_out_wherever_they_are_cut_and_all_else_stays_as_it_is(cut: int) -> None:
    it = Asked()
    await it.put(2)
    said = b'log\n{"id": 7, "result": {}}\n' + answer(2, error={"code": -32601}) + b"\xff\n\n" + answer(1) + b"end"

    parts = [said[at : at + cut] for at in range(0, len(said), cut)]
    left = b"".join([it.questions.take(part) for part in parts]) + it.questions.rest()

    assert left == b'log\n{"id": 7, "result": {}}\n\xff\n\nend'
    assert not it.questions.waiting


async def test_what_only_looks_like_an_answer_is_passed_on() -> None:
    it = Asked()
    await it.put()
    lines = (
        it.pipe.lines[0],  # a program that says again what it reads
        answer(9),
        b'{"id": "trio-supervisor-1", "result": \n',
        b'["trio-supervisor-1"]\n',
        b'{"method": "x", "id": {"trio-supervisor-1": 1}, "result": 1}\n',
    )

    assert b"".join([it.questions.take(line) for line in lines]) == b"".join(lines)
    assert it.questions.waiting
    assert it.questions.take(answer(1)) == b""
    assert it.questions.take(answer(1)) == answer(1), "it was answered already"


async def test_a_line_that_is_begun_when_the_question_comes_is_nobodys_answer() -> None:
    it = Asked()
    assert it.questions.take(b'{"half') == b'{"half'
    await it.put()

    assert it.questions.take(b' a line"}') == b' a line"}'
    assert it.questions.take(b"\n" + answer(1)) == b"\n"


async def test_a_prompt_and_a_very_long_line_are_not_held_back() -> None:
    it = Asked()
    await it.put()

    assert it.questions.take(b"login: ") == b"login: "
    assert it.questions.take(b"me\n{") == b"me\n"
    long = b"{" + b"x" * LONGEST_ANSWER
    assert it.questions.take(long) == b"{" + long
    assert it.questions.take(b"y\n" + answer(1)) == b"y\n"


async def test_what_is_held_back_comes_with_the_end() -> None:
    it = Asked()
    await it.put()

    assert it.questions.take(b'{"id"') == b""
    assert it.questions.rest() == b'{"id"'


async def test_nobody_is_kept_from_writing_and_nothing_is_asked_while_somebody_has_the_right() -> None:
    it = Asked()
    with it.lease.take("shell"):
        with pytest.raises(WriterBusyError, match="shell writes to it"):
            await it.questions.ask("ping")
        assert it.questions.holder == "shell"
    await it.put()

    assert len(it.pipe.lines) == 1
    assert it.lease.holder == ""


async def test_a_line_that_somebody_has_begun_is_not_gone_on_with() -> None:
    it = Asked()
    it.pipe.in_line = True

    with pytest.raises(UnfinishedLineError):
        await it.questions.ask("ping")

    assert it.pipe.lines == []


async def test_an_answer_to_an_earlier_question_is_as_good_and_the_oldest_are_given_up() -> None:
    it = Asked()
    await it.put(MOST_OPEN + 1)
    assert it.questions.take(answer(1)) == answer(1), "too long ago"
    found: list[object] = []

    async def ask() -> None:
        found.append(await it.questions.ask("ping"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        it.questions.take(answer(5))

    assert [each["id"] for each in found if isinstance(each, dict)] == ["trio-supervisor-5"] * 2


# The pipe


async def test_a_line_goes_into_a_full_pipe_whole_or_not_at_all_and_never_blocks() -> None:
    theirs, ours = os.pipe()
    os.set_blocking(ours, False)
    pipe = InputPipe(ours)
    try:
        with trio.move_on_after(0.05):
            await pipe.write(b"x" * (1 << 20))
        assert pipe.in_line
        # To the last byte, where a write of one byte could still be taken and a longer one not whole.
        line = b'{"id":1}\n'
        assert not pipe.put_line(line)
        taken = 0
        while not pipe.put_line(line):
            taken += len(os.read(theirs, 1000))
        os.set_blocking(theirs, False)
        rest = b""
        while chunk := _read(theirs):
            rest += chunk
        assert rest.endswith(b"x" + line)
        assert rest.count(b"\n") == 1
    finally:
        os.close(theirs)
        with pytest.raises(BrokenPipeError):
            pipe.put_line(b"\n")
        assert not pipe.open


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return b""


async def test_who_waits_for_room_for_a_line_is_in_nobodys_way() -> None:
    theirs, ours = os.pipe()
    os.set_blocking(ours, False)
    pipe = InputPipe(ours)
    while pipe.put_line(b"y" * 4095 + b"\n"):
        pass
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipe.wait_room)
            nursery.start_soon(pipe.write, b"more\n")
            await trio.testing.wait_all_tasks_blocked()
            os.read(theirs, 1 << 20)
    assert not pipe.in_line
    pipe.close()
    os.close(theirs)
