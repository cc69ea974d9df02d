"""The console: what stands on the output after children and the supervisor have spoken."""

import json
import math
import re
from collections.abc import Callable

import pytest

from trio_supervisor.cli.console import Console
from trio_supervisor.cli.json_format import JsonFormat
from trio_supervisor.cli.style import Style
from trio_supervisor.cli.text_format import TextFormat
from trio_supervisor.cli.wording import Tone
from trio_supervisor.control.api import Remark
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import Role
from trio_supervisor.core.notices import Judged, Judgement, StateChanged, StatusTold
from trio_supervisor.core.state import State
from trio_supervisor.output.hub import Block, Record, Stream

OUT, ERR = Stream.STDOUT, Stream.STDERR
AT = 1_763_712_000.1234  # 2025-11-21T08:00:00.123Z


class Paper:
    """An output that keeps what is written, and can be full."""

    def __init__(self) -> None:
        self.data = b""
        self.full = False
        self.calls: list[Callable[[], None]] = []

    @property
    def why_full(self) -> str:
        return "the terminal is too slow"

    def write(self, data: bytes) -> bool:
        if not self.full:
            self.data += data
        return not self.full

    def when_room(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def make_room(self) -> None:
        self.full = False
        calls, self.calls = self.calls, []
        for call in calls:
            call()

    @property
    def text(self) -> str:
        return self.data.decode()

    @property
    def objects(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.text.splitlines()]


def said(child: str, data: bytes, stream: Stream = OUT, *, begun: bool = False, open: bool = False) -> Record:
    return Record(child, stream, AT, Block(data, begun, open))


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
def plain(paper: Paper) -> Console:
    return Console(paper, TextFormat(Style(), ["api", "worker"]))


@pytest.fixture
def objects(paper: Paper) -> Console:
    return Console(paper, JsonFormat())


# Text


def test_each_line_has_its_name_in_a_column(plain: Console, paper: Paper) -> None:
    plain.record(said("api", b"one\ntwo"))
    plain.record(said("worker", b"three"))
    plain.record(said("api", b"", OUT))

    assert paper.text == "api    | one\napi    | two\nworker | three\napi    | \n"


def test_standard_error_has_another_sign(plain: Console, paper: Paper) -> None:
    plain.record(said("api", b"out"))
    plain.record(said("api", b"err", ERR))

    assert paper.text == "api    | out\napi    : err\n"


def test_a_longer_name_that_comes_later_widens_the_column(plain: Console, paper: Paper) -> None:
    plain.record(said("api", b"a"))
    plain.record(said("a-longer-name", b"b"))
    plain.record(said("api", b"c"))

    assert paper.text == "api    | a\na-longer-name | b\napi           | c\n"


def test_a_partial_line_goes_on_in_place(plain: Console, paper: Paper) -> None:
    plain.record(said("api", b"log\n>>", open=True))
    plain.record(said("api", b"> ", begun=True, open=True))
    plain.record(said("api", b"4\nnext", begun=True))

    assert paper.text == "api    | log\napi    | >>> 4\napi    | next\n"


def test_a_partial_line_ends_when_another_one_speaks(plain: Console, paper: Paper) -> None:
    plain.record(said("api", b"half", open=True))
    plain.record(said("worker", b"me"))
    plain.record(said("api", b"rest", begun=True))

    assert paper.text == "api    | half\nworker | me\napi    | rest\n"


@pytest.mark.parametrize(("rest", "shown"), [(b"", ""), (b"\nnext", "api    | next\n")])
def test_a_line_that_another_one_has_ended_is_not_ended_twice(
    plain: Console, paper: Paper, rest: bytes, shown: str
) -> None:
    plain.record(said("api", b"half", open=True))
    plain.record(said("worker", b"me"))
    plain.record(said("api", rest, begun=True))

    assert paper.text == "api    | half\nworker | me\n" + shown


def test_the_two_streams_of_an_agent_do_not_share_a_line(plain: Console, paper: Paper) -> None:
    plain.record(said("api", b">>> ", ERR, open=True))
    plain.record(said("api", b"4"))
    plain.record(said("api", b"", ERR, begun=True))

    assert paper.text == "api    : >>> \napi    | 4\n"


def test_what_the_supervisor_says_ends_a_partial_line(plain: Console, paper: Paper) -> None:
    plain.record(said("api", b"half", open=True))
    plain.say("stopping everything")
    plain.say("first\nsecond", child="worker")

    assert paper.text == (
        "api    | half\nsupervisor | ● stopping everything\nworker     | ● first\nworker     | ● second\n"
    )


def test_records_of_the_supervisor_stream_look_like_its_events(plain: Console, paper: Paper) -> None:
    plain.record(said("api", b"port 19001 is taken", Stream.SUPERVISOR))

    assert paper.text == "api    | ● port 19001 is taken\n"


def test_close_ends_the_last_line_once(plain: Console, paper: Paper) -> None:
    plain.record(said("api", b"half", open=True))
    plain.close()
    plain.close()

    assert paper.text == "api    | half\n"


def test_nothing_an_agent_says_gets_out_of_its_line(plain: Console, paper: Paper) -> None:
    plain.record(said("api", b"10%\r20%\x1b[2K\x1b[1A\x1b]0;me\x07\x00\xff"))

    assert paper.text == "api    | 10%\napi    | 20%\\x00\\xff\n"


def test_reasons_are_as_harmless_as_output(plain: Console, paper: Paper) -> None:
    plain.notice(changed(State.READY, State.FAILED, "raised ValueError: \x1b[2J\x07\udc80"), 0.0)

    assert paper.text == "api    | ● failed: raised ValueError: \\x07\\udc80\n"


def test_in_colour_the_prefix_and_the_news_are_painted(paper: Paper) -> None:
    console = Console(paper, TextFormat(Style(colour=True), ["api"]))

    console.record(said("api", b"one\n\x1b[1mtwo"))
    console.record(said("api", b"three", ERR))
    console.say("bad", child="api", tone=Tone.BAD)

    code = re.match("\x1b\\[([0-9]+)m", paper.text)
    assert code
    c = code[0]
    assert paper.text == (
        f"{c}api |\x1b[0m one\n{c}api |\x1b[0m \x1b[1mtwo\x1b[0m\n"
        f"{c}api\x1b[0m \x1b[31m:\x1b[0m three\n{c}api |\x1b[0m \x1b[31m● bad\x1b[0m\n"
    )


def test_without_utf_8_the_supervisor_speaks_ascii(paper: Paper) -> None:
    Console(paper, TextFormat(Style(unicode=False))).say("hello")

    assert paper.data == b"supervisor | * hello\n"


# Changes of state


def changed(old: State, new: State, reason: str = "", **more: object) -> StateChanged:
    return StateChanged("api", 1, old, new, reason, **more)  # type: ignore[arg-type]


def test_a_life_is_told_from_start_to_hold(plain: Console, paper: Paper) -> None:
    code_1 = Exit(How.EXITED, code=1)

    plain.notice(changed(State.STOPPED, State.WAITING), 10.0)
    plain.notice(changed(State.WAITING, State.STARTING), 10.0)
    plain.notice(changed(State.STARTING, State.RUNNING, "started"), 10.0, port=19001, pid=7)
    plain.notice(changed(State.RUNNING, State.READY), 10.4, port=19001, pid=7)
    plain.notice(changed(State.READY, State.RUNNING, "not ready: refused"), 11.0, port=19001, pid=7)
    plain.notice(changed(State.RUNNING, State.READY), 12.0, port=19001, pid=7)
    plain.notice(changed(State.READY, State.BACKOFF, "exit code 1", exit=code_1, restarts=2, next_at=15.0), 12.9)
    plain.notice(changed(State.BACKOFF, State.WAITING, "exit code 1", restarts=2), 15.0)
    plain.notice(changed(State.WAITING, State.STARTING, "exit code 1", restarts=2), 15.0)
    plain.notice(changed(State.STARTING, State.READY), 15.1, pid=8)
    plain.notice(changed(State.READY, State.HELD, "restart limit (5 restarts within 60 s)"), 16.0)

    assert [line.removeprefix("api    | ● ") for line in paper.text.splitlines()] == [
        "started, not ready yet (port 19001, pid 7)",
        "ready after 0.4 s (port 19001, pid 7)",
        "not ready: refused",
        "ready again",
        "exit code 1; restart 2 in 2.1 s",
        "ready after 0.1 s (pid 8)",
        "held: restart limit (5 restarts within 60 s)",
    ]


def test_a_removed_child_leaves_nothing_behind(plain: Console) -> None:
    plain.notice(changed(State.WAITING, State.STARTING), 10.0)
    plain.notice(changed(State.STOPPED, State.REMOVED, "removed by hand"), 11.0)

    assert plain._memories == {}


# JSON


def test_each_line_is_an_object(objects: Console, paper: Paper) -> None:
    objects.record(said("api", 'say "hi"\n€'.encode()))
    objects.record(said("api", b"\xff\x00\x1b[31m\tx", ERR))

    head = {"ts": "2025-11-21T08:00:00.123Z", "level": None, "agent": "api"}
    assert paper.objects == [
        head | {"stream": "stdout", "text": 'say "hi"'},
        head | {"stream": "stdout", "text": "€"},
        head | {"stream": "stderr", "text": "\\xff\x00\x1b[31m\tx"},
    ]


def test_the_level_is_what_a_line_says_itself(objects: Console, paper: Paper) -> None:
    objects.record(said("api", b'{"level":"error"}\nplain\n{"level":"fatal"}'))
    objects.record(said("api", b"WARNING mod: odd\nTraceback", Stream.LOG))

    assert [o["level"] for o in paper.objects] == ["error", None, "critical", "warning", "warning"]


def test_the_objects_pieces_of_a_line_make_it_whole(objects: Console, paper: Paper) -> None:
    objects.record(said("api", b"log\n>>> ", open=True))
    objects.record(said("worker", b"me"))
    objects.record(said("api", b"4", begun=True))

    assert [(o["agent"], o["text"], o.get("partial")) for o in paper.objects] == [
        ("api", "log", None),
        ("api", ">>> ", True),
        ("worker", "me", None),
        ("api", "4", None),
    ]


def test_json_has_no_byte_that_a_terminal_obeys(objects: Console, paper: Paper) -> None:
    objects.record(said("api", "\x1b\x07\x7f\x9b31m".encode()))

    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", paper.text)
    assert paper.objects[0]["text"] == "\x1b\x07\x7f\x9b31m"


def test_a_change_of_state_is_an_object_with_its_facts(
    objects: Console, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: AT)

    objects.notice(changed(State.READY, State.BACKOFF, "exit code 1", restarts=2, next_at=15.0), 12.9)
    objects.notice(changed(State.BACKOFF, State.WAITING, "exit code 1", restarts=2, next_at=math.inf), 15.0)

    assert paper.objects == [
        {
            "ts": "2025-11-21T08:00:00.123Z",
            "level": "warning",
            "agent": "api",
            "stream": "supervisor",
            "event": "state",
            "text": "exit code 1; restart 2 in 2.1 s",
            "state": "backoff",
            "old": "ready",
            "reason": "exit code 1",
            "next_at": "2025-11-21T08:00:02.223Z",
            "generation": 1,
            "restarts": 2,
            "pid": None,
            "port": None,
            "exit": None,
        },
        {
            "ts": "2025-11-21T08:00:00.123Z",
            "level": "info",
            "agent": "api",
            "stream": "supervisor",
            "event": "state",
            "text": "exit code 1",
            "state": "waiting",
            "old": "backoff",
            "reason": "exit code 1",
            "next_at": None,
            "generation": 1,
            "restarts": 2,
            "pid": None,
            "port": None,
            "exit": None,
        },
    ]


def test_free_text_is_an_object_without_a_state(objects: Console, paper: Paper) -> None:
    objects.say("stopping everything", tone=Tone.WARNING)
    objects.say("odd \udc80", child="api")
    objects.close()

    first, second = paper.objects
    del first["ts"], second["ts"]
    own = {"stream": "supervisor"}
    assert first == {"level": "warning", "agent": None, **own, "event": "warning", "text": "stopping everything"}
    assert second == {"level": "info", "agent": "api", **own, "event": "message", "text": "odd \udc80"}


def test_every_line_of_the_supervisor_has_the_name_of_its_event(objects: Console, paper: Paper) -> None:
    crashed = Exit(How.EXITED, code=3)
    objects.notice(StateChanged("api", 1, State.READY, State.FAILED, "x", exit=crashed), 1.0, port=8080, pid=7)
    for judgement in Judgement:
        objects.remark(Remark(AT, "api", Judged("api", 1, Role.HEALTH, judgement, 0.0, 3, "refused"), 1.0))
    objects.remark(Remark(AT, "api", StatusTold("api", 1, "loading"), 0.0))
    objects.record(Record("api", Stream.SUPERVISOR, AT, Block(b"hook on_failed failed: x")))
    objects.record(said("api", b"hello"))
    objects.say("all agents are down", name="ended")

    assert [o.get("event") for o in paper.objects] == [
        *("state", "suspect", "unhealthy", "recovered", "status", "note", None, "ended")
    ]
    assert paper.objects[0]["exit"] == {"how": "exited", "code": 3, "signal": None}
    assert (paper.objects[0]["pid"], paper.objects[0]["port"]) == (7, 8080)
    assert all({"ts", "level", "agent", "stream", "text"} <= o.keys() for o in paper.objects)


# An output that is full


def test_refused_lines_are_counted_and_told_when_it_goes_on(plain: Console, paper: Paper) -> None:
    plain.record(said("api", b"half", open=True))
    paper.full = True
    plain.record(said("api", b" rest\ntwo\nthree", begun=True))
    plain.say("four")
    paper.full = False
    plain.record(said("api", b"five"))

    assert paper.text == "api    | half"
    paper.make_room()
    plain.record(said("api", b"six"))

    assert paper.text == (
        "api    | half\nsupervisor | ● ... 5 lines dropped: the terminal is too slow\napi        | six\n"
    )


def test_the_count_is_kept_when_it_is_refused_itself(plain: Console, paper: Paper) -> None:
    paper.full = True
    plain.say("one")
    (call,) = paper.calls
    paper.calls.clear()
    call()
    plain.say("two")
    paper.make_room()

    assert paper.text == "supervisor | ● ... 2 lines dropped: the terminal is too slow\n"


def test_close_tells_what_was_dropped(objects: Console, paper: Paper) -> None:
    paper.full = True
    objects.record(said("api", b"one"))
    paper.full = False
    objects.close()

    (told,) = paper.objects
    assert told["text"] == "... 1 line dropped: the terminal is too slow"
    assert told["level"] == "warning"
