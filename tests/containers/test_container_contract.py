"""Containers keep to the contract of all runtimes."""

from collections.abc import Iterator

import pytest

from tests.containers.real_engines import IMAGE, RealEngine
from tests.containers.scripted import ScriptedEngine
from tests.runtimes.contract import TEXT, Behaviour, Heard, LifeContract, MakeLife
from trio_supervisor.runtimes.base import Life
from trio_supervisor.runtimes.container import ContainerRuntime
from trio_supervisor.spec import ChildSpec, ContainerSpec, Pull

COMMANDS = {
    Behaviour.END_WELL: ("true",),
    Behaviour.END_BADLY: ("false",),
    # The first process of a container dies of no signal that it has no handler for.
    Behaviour.STAY: ("sh", "-c", "trap 'exit 0' TERM; sleep 300 & wait"),
    Behaviour.TALK: ("sh", "-c", f"printf '{TEXT.decode()}'; printf '{TEXT.decode()}' >&2"),
    Behaviour.FAIL_TO_START: ("no-such-program",),
}


class TestScriptedContainers(LifeContract):
    @pytest.fixture
    def make_life(self) -> Iterator[MakeLife]:
        engine = ScriptedEngine()

        def make(behaviour: Behaviour) -> tuple[Life, Heard]:
            heard = Heard()
            command = ("say", TEXT.decode(), TEXT.decode()) if behaviour is Behaviour.TALK else COMMANDS[behaviour]
            spec = ContainerSpec("bb:1", command, engine="unix:///scripted", pull=Pull.NEVER)
            runtime = ContainerRuntime(ChildSpec("agent", spec), connect=lambda _: engine)
            return runtime.life(heard.launch()), heard

        yield make
        assert not engine.containers


@pytest.mark.containers
class TestRealContainers(LifeContract):
    @pytest.fixture
    def make_life(self, real: RealEngine) -> Iterator[MakeLife]:
        def make(behaviour: Behaviour) -> tuple[Life, Heard]:
            heard = Heard()
            spec = ContainerSpec(IMAGE, COMMANDS[behaviour], engine=real.address, pull=Pull.NEVER)
            return ContainerRuntime(ChildSpec("agent", spec)).life(heard.launch()), heard

        yield make
        assert real.containers() == []
