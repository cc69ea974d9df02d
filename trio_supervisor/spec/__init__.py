"""What a person writes: frozen specs, the same classes for YAML and for Python.

All times are seconds as float, `math.inf` means without limit. A value that can't be right raises `SpecError`. The
placeholders `{port}` and `{id}` may stand in commands, environment values and probes; they are replaced when a life
begins.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from trio_supervisor.core.budget import AtBudget, Budget, Rate
from trio_supervisor.core.hook_kind import HookKind
from trio_supervisor.core.limits import Idle, Lifetime, Progress, Then
from trio_supervisor.core.policy import ExitCodes
from trio_supervisor.spec.accounts import Account, Quota
from trio_supervisor.spec.checks import A2A, Exec, Grpc, Http, Rpc, Stdio, Tcp, Unix, split_address
from trio_supervisor.spec.child import (
    DEFAULT_LISTEN,
    DEFAULT_PORT_RANGE,
    FLEET_CODES,
    FLEET_CRASHES,
    ChildSpec,
    Port,
    SupervisorSpec,
    check_id,
)
from trio_supervisor.spec.container import LABELS, ContainerSpec, Mount, Publish, Pull
from trio_supervisor.spec.container_policy import ContainerPolicy
from trio_supervisor.spec.hooks import CallHook, CommandHook, Hook, HookCall, HookFunction, Hooks, WebHook
from trio_supervisor.spec.journal import JournalLimits
from trio_supervisor.spec.log import LogFile, LogFormat, LogStream, RingLimits, TailLimits
from trio_supervisor.spec.probes import PUSHED, Check, Health, Probe, Readiness, Startup
from trio_supervisor.spec.process import (
    OWNED_NAMES,
    OWNED_PREFIXES,
    RLIMITS,
    UNLIMITED,
    Inherit,
    Limits,
    ProcessSpec,
    Secret,
    SecretCommand,
    SecretEnv,
    SecretFile,
    Stdin,
    TaskSpec,
    Window,
    is_owned,
)
from trio_supervisor.spec.remote import Address, RemoteSpec, SecretHeader, as_socket, as_web
from trio_supervisor.spec.signs import Call, EngineHealth, File, Log, Notify
from trio_supervisor.spec.stop import (
    AskStep,
    CloseStdinStep,
    CommandStep,
    HttpStep,
    SendStep,
    SignalStep,
    SignalTo,
    StopStep,
)
from trio_supervisor.spec.values import expand, not_negative, positive

if TYPE_CHECKING:
    from trio_supervisor.spec.agent_checks import AgentCore, Mcp, Redis, WebSocket

_LATE = frozenset({"AgentCore", "Mcp", "Redis", "WebSocket"})


def __getattr__(name: str) -> object:
    # Most runs ask none of these questions.
    if name in _LATE:
        return getattr(import_module("trio_supervisor.spec.agent_checks"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "A2A",
    "DEFAULT_LISTEN",
    "DEFAULT_PORT_RANGE",
    "FLEET_CODES",
    "FLEET_CRASHES",
    "LABELS",
    "OWNED_NAMES",
    "OWNED_PREFIXES",
    "PUSHED",
    "RLIMITS",
    "UNLIMITED",
    "Account",
    "Address",
    "AgentCore",
    "AskStep",
    "AtBudget",
    "Budget",
    "Call",
    "CallHook",
    "Check",
    "ChildSpec",
    "CloseStdinStep",
    "CommandHook",
    "CommandStep",
    "ContainerPolicy",
    "ContainerSpec",
    "EngineHealth",
    "Exec",
    "ExitCodes",
    "File",
    "Grpc",
    "Health",
    "Hook",
    "HookCall",
    "HookFunction",
    "HookKind",
    "Hooks",
    "Http",
    "HttpStep",
    "Idle",
    "Inherit",
    "JournalLimits",
    "Lifetime",
    "Limits",
    "Log",
    "LogFile",
    "LogFormat",
    "LogStream",
    "Mcp",
    "Mount",
    "Notify",
    "Port",
    "Probe",
    "ProcessSpec",
    "Progress",
    "Publish",
    "Pull",
    "Quota",
    "Rate",
    "Readiness",
    "Redis",
    "RemoteSpec",
    "RingLimits",
    "Rpc",
    "Secret",
    "SecretCommand",
    "SecretEnv",
    "SecretFile",
    "SecretHeader",
    "SendStep",
    "SignalStep",
    "SignalTo",
    "Startup",
    "Stdin",
    "Stdio",
    "StopStep",
    "SupervisorSpec",
    "TailLimits",
    "TaskSpec",
    "Tcp",
    "Then",
    "Unix",
    "WebHook",
    "WebSocket",
    "Window",
    "as_socket",
    "as_web",
    "check_id",
    "expand",
    "is_owned",
    "not_negative",
    "positive",
    "split_address",
]
