"""Processes keep to the contract of all runtimes."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.runtimes.contract import TEXT, Behaviour, Heard, LifeContract, MakeLife
from tests.runtimes.process_helpers import free_ports, runtime_of, shell
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.runtimes.process import ProcessLife, ProcessRuntime
from trio_supervisor.spec import ChildSpec, Port, ProcessSpec, Stdin

pytestmark = pytest.mark.usefixtures("spawned")

COMMANDS = {
    Behaviour.END_WELL: ("true",),
    Behaviour.END_BADLY: ("false",),
    Behaviour.STAY: ("sleep", "300"),
    Behaviour.TALK: shell(f"printf '{TEXT.decode()}'; printf '{TEXT.decode()}' >&2"),
    Behaviour.FAIL_TO_START: ("no-such-program",),
}


def maker(port: Port | None, closing: ExitStack) -> MakeLife:
    def make(behaviour: Behaviour) -> tuple[ProcessLife, Heard]:
        heard = Heard()
        runtime = runtime_of(COMMANDS[behaviour], port=port)
        closing.callback(runtime.close)
        return runtime.life(heard.launch()), heard

    return make


class TestProcess(LifeContract):
    @pytest.fixture
    def make_life(self) -> Iterator[MakeLife]:
        with ExitStack() as closing:
            yield maker(None, closing)


class TestProcessWithPort(LifeContract):
    @pytest.fixture
    def make_life(self) -> Iterator[MakeLife]:
        with ExitStack() as closing:
            yield maker(free_ports(20), closing)


class TestProcessInTerminal(LifeContract):
    streams = frozenset({Stream.STDOUT})

    @pytest.fixture
    def make_life(self) -> MakeLife:
        commands = {**COMMANDS, Behaviour.TALK: shell(f"printf '{TEXT.decode()}'")}

        def make(behaviour: Behaviour) -> tuple[ProcessLife, Heard]:
            heard = Heard()
            spec = ChildSpec("agent", ProcessSpec(commands[behaviour], stdin=Stdin.PTY))
            return ProcessRuntime(spec).life(heard.launch()), heard

        return make
