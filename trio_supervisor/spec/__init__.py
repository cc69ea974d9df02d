"""What a person writes: frozen specs, the same classes for YAML and for Python.

All times are seconds as float, `math.inf` means without limit. A value that can't be right raises `SpecError`. The
placeholders `{port}` and `{id}` may stand in commands, environment values and probes; they are replaced when a life
begins.
"""

from trio_supervisor.spec.agent_checks import AgentCore, Mcp, Redis, WebSocket
from trio_supervisor.spec.checks import A2A, Exec, Grpc, Http, Tcp, Unix, split_address
from trio_supervisor.spec.child import DEFAULT_LISTEN, DEFAULT_PORT_RANGE, ChildSpec, Port, SupervisorSpec, check_id
from trio_supervisor.spec.hooks import Hook, HookCall, HookKind, Hooks
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
from trio_supervisor.spec.signs import Call, File, Log, Notify
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

__all__ = [
    "A2A",
    "DEFAULT_LISTEN",
    "DEFAULT_PORT_RANGE",
    "OWNED_NAMES",
    "OWNED_PREFIXES",
    "PUSHED",
    "RLIMITS",
    "UNLIMITED",
    "Address",
    "AgentCore",
    "AskStep",
    "Call",
    "Check",
    "ChildSpec",
    "CloseStdinStep",
    "CommandStep",
    "Exec",
    "File",
    "Grpc",
    "Health",
    "Hook",
    "HookCall",
    "HookKind",
    "Hooks",
    "Http",
    "HttpStep",
    "Inherit",
    "Limits",
    "Log",
    "LogFile",
    "LogFormat",
    "LogStream",
    "Mcp",
    "Notify",
    "Port",
    "Probe",
    "ProcessSpec",
    "Readiness",
    "Redis",
    "RemoteSpec",
    "RingLimits",
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
    "StopStep",
    "SupervisorSpec",
    "TailLimits",
    "TaskSpec",
    "Tcp",
    "Unix",
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
