"""Makes lives in containers for tests."""

from collections.abc import Awaitable, Callable

import trio

from tests.containers.real_engines import IMAGE
from tests.containers.scripted import ScriptedEngine
from tests.runtimes.contract import Heard
from trio_supervisor.core.exits import Exit
from trio_supervisor.runtimes.base import Launch
from trio_supervisor.runtimes.container import ContainerLife, ContainerRuntime
from trio_supervisor.runtimes.container.docker import DockerEngine
from trio_supervisor.runtimes.container.engine import ContainerEngine
from trio_supervisor.spec import ChildSpec, ContainerPolicy, ContainerSpec, Port

BOUND = 20.0


def runtime_of(
    spec: ContainerSpec,
    engine: ScriptedEngine | None = None,
    *,
    port: Port | None = None,
    policy: ContainerPolicy | None = None,
) -> ContainerRuntime:
    """A runtime of a child called agent. `engine`: in the place of the one that its spec names."""

    def connect(address: str) -> ContainerEngine:
        return DockerEngine(address) if engine is None else engine

    return ContainerRuntime(ChildSpec("agent", spec, port=port), policy or ContainerPolicy(), connect=connect)


def scripted_spec(*command: str, **more: object) -> ContainerSpec:
    """A container of a scripted engine."""
    return ContainerSpec("bb:1", command, engine="unix:///scripted", **more)  # type: ignore[arg-type]


def life_of(
    spec: ContainerSpec, engine: ScriptedEngine | None = None, *, launch: Launch | None = None
) -> tuple[ContainerLife, Heard]:
    """The first life of a child, and what is heard of it."""
    heard = Heard()
    return runtime_of(spec, engine).life(launch or heard.launch()), heard


def real_spec(address: str, *command: str, **more: object) -> ContainerSpec:
    """A container of a real engine."""
    return ContainerSpec(IMAGE, command, engine=address, **more)  # type: ignore[arg-type]


async def live(life: ContainerLife) -> Exit:
    """Start, and wait for the end."""
    with trio.fail_after(BOUND):
        await life.start()
        return await life.wait()


async def ended(life: ContainerLife) -> Exit:
    """Kill, and wait for the end."""
    life.kill()
    with trio.fail_after(BOUND):
        return await life.wait()


async def eventually(is_true: Callable[[], bool | Awaitable[bool]], within: float = BOUND) -> None:
    """Wait for what no event tells; fails after `within` seconds."""
    with trio.fail_after(within):
        while True:
            found = is_true()
            if found if isinstance(found, bool) else await found:
                return
            await trio.sleep(0.01)
