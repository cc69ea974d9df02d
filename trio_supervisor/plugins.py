"""Names -> runtimes and probes; the only module that names a concrete one. Each is imported when the first child needs
it.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import cast

from trio_supervisor.guardian.launch import Guard
from trio_supervisor.probes.base import OpenProbe, ProbeFactory, Target
from trio_supervisor.runtimes.base import Runtime, RuntimeFactory
from trio_supervisor.spec import (
    A2A,
    AgentCore,
    Call,
    Check,
    ChildSpec,
    ContainerPolicy,
    ContainerSpec,
    EngineHealth,
    Exec,
    File,
    Grpc,
    Http,
    HttpStep,
    Log,
    Mcp,
    Notify,
    ProcessSpec,
    Redis,
    RemoteSpec,
    SupervisorSpec,
    TaskSpec,
    Tcp,
    Unix,
    WebSocket,
)

RUNTIMES: Mapping[type, str] = MappingProxyType(
    {
        ProcessSpec: "trio_supervisor.runtimes.process:ProcessRuntime",
        TaskSpec: "trio_supervisor.runtimes.task:TaskRuntime",
        RemoteSpec: "trio_supervisor.runtimes.remote:RemoteRuntime",
        ContainerSpec: "trio_supervisor.runtimes.container:ContainerRuntime",
    }
)
PROBES: Mapping[type, str] = MappingProxyType(
    {
        Http: "trio_supervisor.probes.http:open_http",
        A2A: "trio_supervisor.probes.a2a:open_a2a",
        Mcp: "trio_supervisor.probes.mcp:open_mcp",
        AgentCore: "trio_supervisor.probes.agentcore:open_agentcore",
        WebSocket: "trio_supervisor.probes.websocket:open_websocket",
        Redis: "trio_supervisor.probes.redis:open_redis",
        Tcp: "trio_supervisor.probes.tcp:open_tcp",
        Exec: "trio_supervisor.probes.exec:open_exec",
        Log: "trio_supervisor.probes.log:open_log",
        File: "trio_supervisor.probes.file:open_file",
        Unix: "trio_supervisor.probes.unix:open_unix",
        Notify: "trio_supervisor.probes.notify:open_notify",
        EngineHealth: "trio_supervisor.probes.engine:open_engine",
        Grpc: "trio_supervisor.probes.grpc:open_grpc",
        Call: "trio_supervisor.probes.call:open_call",
    }
)

STOP_REQUEST = "trio_supervisor.probes.stop_request:send"
GUARDED = "trio_supervisor.runtimes.process.guarding:open_guarded"
PRINTS = "trio_supervisor.runtimes.task_print:prints_taken_in"


@cache
def _load(name: str) -> object:
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


def make_runtime(spec: ChildSpec) -> Runtime:
    """The runtime for a child; a `RuntimeFactory`."""
    return cast(RuntimeFactory, _load(RUNTIMES[type(spec.run)]))(spec)


def runtimes_under(policy: ContainerPolicy) -> RuntimeFactory:
    """The runtimes of a tree: whoever adds a container to it, by whatever way, is held to its policy."""

    def make(spec: ChildSpec) -> Runtime:
        if isinstance(spec.run, ContainerSpec):
            kind = cast(Callable[[ChildSpec, ContainerPolicy], Runtime], _load(RUNTIMES[ContainerSpec]))
            return kind(spec, policy)
        return make_runtime(spec)

    return make


def open_guarded(guard: Guard) -> AbstractAsyncContextManager[object]:
    """Have processes spawned by a guardian while the block lasts: none of them outlives this one, however it ends."""
    return cast(Callable[[Guard], AbstractAsyncContextManager[object]], _load(GUARDED))(guard)


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
    return cast(ProbeFactory, _load(PROBES[type(check)]))(check, target, timeout)


async def send_request(step: HttpStep, child: str, port: int | None) -> None:
    """Send the HTTP request of a stop, for (step, path of the child, its port).

    Raises:
        StepError: it can't be sent, or is refused.
    """
    await cast(Callable[[HttpStep, str, int | None], Awaitable[None]], _load(STOP_REQUEST))(step, child, port)
