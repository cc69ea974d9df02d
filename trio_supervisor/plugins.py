"""Names -> runtimes and probes; the only module that names a concrete one. Each is imported when the first child needs
it.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from trio_supervisor.commands import Completed
from trio_supervisor.guardian.launch import Guard
from trio_supervisor.probes.base import OpenProbe, ProbeFactory, Target
from trio_supervisor.runtimes.base import Runtime, RuntimeFactory
from trio_supervisor.spec import (
    Check,
    ChildSpec,
    ContainerPolicy,
    ContainerSpec,
    HttpStep,
    ProcessSpec,
    RemoteSpec,
    Secret,
    SupervisorSpec,
    TaskSpec,
)

if TYPE_CHECKING:
    from trio_supervisor.engine.delivery import Outbound

RUNTIMES: Mapping[type, str] = MappingProxyType(
    {
        ProcessSpec: "trio_supervisor.runtimes.process:ProcessRuntime",
        TaskSpec: "trio_supervisor.runtimes.task:TaskRuntime",
        RemoteSpec: "trio_supervisor.runtimes.remote:RemoteRuntime",
        ContainerSpec: "trio_supervisor.runtimes.container:ContainerRuntime",
    }
)
PROBES: Mapping[str, str] = MappingProxyType(
    {
        "Http": "trio_supervisor.probes.http:open_http",
        "A2A": "trio_supervisor.probes.a2a:open_a2a",
        "Mcp": "trio_supervisor.probes.mcp:open_mcp",
        "AgentCore": "trio_supervisor.probes.agentcore:open_agentcore",
        "WebSocket": "trio_supervisor.probes.websocket:open_websocket",
        "Redis": "trio_supervisor.probes.redis:open_redis",
        "Tcp": "trio_supervisor.probes.tcp:open_tcp",
        "Exec": "trio_supervisor.probes.exec:open_exec",
        "Log": "trio_supervisor.probes.log:open_log",
        "File": "trio_supervisor.probes.file:open_file",
        "Unix": "trio_supervisor.probes.unix:open_unix",
        "Notify": "trio_supervisor.probes.notify:open_notify",
        "EngineHealth": "trio_supervisor.probes.engine:open_engine",
        "Grpc": "trio_supervisor.probes.grpc:open_grpc",
        "Call": "trio_supervisor.probes.call:open_call",
        "Stdio": "trio_supervisor.probes.stdio:open_stdio",
    }
)
"""By the name of the class: most are not even imported where they are not needed."""

RUN_OUTSIDE = "trio_supervisor.runtimes.process.outside:run_outside"
LOOK_UP = "trio_supervisor.runtimes.process.outside:look_up"
POST = "trio_supervisor.probes.webhook:post"
STOP_REQUEST = "trio_supervisor.probes.stop_request:send"
GUARDED = "trio_supervisor.runtimes.process.guarding:open_guarded"
GUARDIAN_LIVES = "trio_supervisor.runtimes.process.guarding:guardian_lives"
PRIVATE = "trio_supervisor.runtimes.container.runtime:private_of"
ENGINE_TROUBLE = "trio_supervisor.runtimes.container.address:trouble"
PRINTS = "trio_supervisor.runtimes.task_print:prints_taken_in"

_OfContainers = Callable[[ChildSpec, ContainerPolicy, Mapping[str, str]], Runtime]


@cache
def _load(name: str) -> object:
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


def make_runtime(spec: ChildSpec) -> Runtime:
    """The runtime for a child; a `RuntimeFactory`."""
    return cast(RuntimeFactory, _load(RUNTIMES[type(spec.run)]))(spec)


def runtimes_under(policy: ContainerPolicy, private: Mapping[str, str] = MappingProxyType({})) -> RuntimeFactory:
    """The runtimes of a tree: whoever adds a container to it, by whatever way, is held to its policy. `private`: paths
    that no container gets whatever it says, and what they are.
    """

    def make(spec: ChildSpec) -> Runtime:
        if isinstance(spec.run, ContainerSpec):
            kind = cast(_OfContainers, _load(RUNTIMES[ContainerSpec]))
            return kind(spec, policy, private)
        return make_runtime(spec)

    return make


def container_faults(
    spec: SupervisorSpec, policy: ContainerPolicy, private: Mapping[str, str], way: str = ""
) -> Iterator[str]:
    """What the containers of a tree want and do not get: the path of each, and why. `private` as above."""
    for child in spec.children:
        match child.run:
            case SupervisorSpec():
                yield from container_faults(child.run, policy, private, f"{way}{child.id}/")
            case ContainerSpec():
                look = cast(Callable[[ContainerSpec, Mapping[str, str]], dict[str, str]], _load(PRIVATE))
                faults = policy.faults(child.run, look(child.run, private))
                yield from (f"{way}{child.id}: {fault}" for _, fault in faults)


def engine_troubles(
    spec: SupervisorSpec, environ: Mapping[str, str], way: str = "", known: dict[str | None, str] | None = None
) -> Iterator[tuple[str, str]]:
    """Whose container engine does not answer just now: the path of each, and why. Each engine is asked once."""
    known = {} if known is None else known
    for child in (*spec.children, *filter(None, (spec.template,))):
        match child.run:
            case SupervisorSpec():
                yield from engine_troubles(child.run, environ, f"{way}{child.id}/", known)
            case ContainerSpec(engine=engine):
                if engine not in known:
                    look = cast(Callable[[str | None, Mapping[str, str]], str], _load(ENGINE_TROUBLE))
                    known[engine] = look(engine, environ)
                if known[engine]:
                    yield f"{way}{child.id}", known[engine]


def open_guarded(guard: Guard) -> AbstractAsyncContextManager[object]:
    """Have processes spawned by a guardian while the block lasts: none of them outlives this one, however it ends."""
    return cast(Callable[[Guard], AbstractAsyncContextManager[object]], _load(GUARDED))(guard)


def guardian_lives() -> bool:
    """Whether there is nothing wrong with the guardian of this Trio run."""
    return cast(Callable[[], bool], _load(GUARDIAN_LIVES))()


def prints_taken_in(spec: SupervisorSpec) -> AbstractContextManager[None]:
    """Have what functions print that are children told as theirs while the block lasts; for a program that does nothing
    but to run this tree.
    """
    if not _has_task(spec):
        return nullcontext()
    return cast(Callable[[], AbstractContextManager[None]], _load(PRINTS))()


def _has_task(spec: SupervisorSpec) -> bool:
    return any(
        _has_task(child.run) if isinstance(child.run, SupervisorSpec) else isinstance(child.run, TaskSpec)
        for child in spec.children
    )


def open_probe(check: Check, target: Target, timeout: float) -> AbstractAsyncContextManager[OpenProbe]:
    """The probe for a check; a `ProbeFactory`."""
    return cast(ProbeFactory, _load(PROBES[type(check).__name__]))(check, target, timeout)


async def send_request(step: HttpStep, child: str, port: int | None) -> None:
    """Send the HTTP request of a stop, for (step, path of the child, its port).

    Raises:
        StepError: it can't be sent, or is refused.
    """
    await cast(Callable[[HttpStep, str, int | None], Awaitable[None]], _load(STOP_REQUEST))(step, child, port)


def outbound() -> "Outbound":
    """The ways out for hooks; each is loaded when it is taken first."""
    from trio_supervisor.engine.delivery import Outbound, Run  # noqa: PLC0415 -- most runs have no hooks

    async def run(
        command: Sequence[str], cwd: str | None, env: Mapping[str, str], stdin: bytes, within: float
    ) -> Completed:
        return await cast(Run, _load(RUN_OUTSIDE))(command, cwd, env, stdin, within)

    async def post(url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> None:
        send = cast(Callable[[str, Mapping[str, str], bytes, float], Awaitable[None]], _load(POST))
        await send(url, headers, body, timeout)

    async def look_up(secrets: Mapping[str, Secret]) -> dict[str, str]:
        return await cast(Callable[[Mapping[str, Secret]], Awaitable[dict[str, str]]], _load(LOOK_UP))(secrets)

    return Outbound(run, post, look_up)
