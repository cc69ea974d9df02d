"""Supervise agents: processes, async functions and whole trees of them, with Erlang's exactness. Public names only.

    async with Supervisor(strategy="rest_for_one", intensity=(5, 60)) as tree:
        agent = await tree.start_child(process("researcher", ["python", "-m", "researcher"], port="auto"))
        await agent.wait_ready()
        await tree.wait()

The names are looked up when they are used for the first time, as a command line should not pay for a library.
"""

import sys
from importlib import import_module

if sys.platform == "win32":
    raise ImportError("trio-supervisor does not run on Windows; it does in WSL, the Windows Subsystem for Linux")

# Type checkers know the name. To import it would cost the guardian, which needs nothing else of `typing`, 2 MB.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from trio_supervisor.control.endpoints import Endpoint, EndpointChange
    from trio_supervisor.core.answers import Answer, Counts, Row
    from trio_supervisor.core.exits import Exit, How
    from trio_supervisor.core.facts import Role
    from trio_supervisor.core.notices import (
        Cause,
        Context,
        Judged,
        Judgement,
        LifeEnded,
        Report,
        StateChanged,
        StatusTold,
        TreeEnding,
        TreeStarted,
        Warned,
    )
    from trio_supervisor.core.policy import (
        AtLimit,
        AutoShutdown,
        Backoff,
        Condition,
        Intensity,
        Profile,
        Restart,
        Strategy,
    )
    from trio_supervisor.core.state import State
    from trio_supervisor.embedding.sessions import EndedFor, Ending, SessionInfo, SessionLimits, Sessions
    from trio_supervisor.embedding.specs import child, container, process, remote, supervisor, supervisor_spec, task
    from trio_supervisor.embedding.supervisor import Event, Supervisor
    from trio_supervisor.embedding.tree import Handle, Tree
    from trio_supervisor.errors import (
        CallError,
        ChildError,
        ChildStartError,
        ExpectTimeoutError,
        Ignore,
        InputClosedError,
        LineTooLongError,
        OutputEndedError,
        RestartLimitReached,
        SessionError,
        SessionLimitError,
        Shutdown,
        SpecError,
        StartError,
        SupervisorError,
        UnknownSessionError,
        WriterBusyError,
        WriteTimeoutError,
    )
    from trio_supervisor.output.hub import Stream
    from trio_supervisor.output.reading import Line, LineReader
    from trio_supervisor.output.ring import Entry, Page, Ring
    from trio_supervisor.output.selection import Selection
    from trio_supervisor.sessions.cursor import Cursor
    from trio_supervisor.sessions.search import EOF, Match
    from trio_supervisor.sessions.session import Said, Session
    from trio_supervisor.spec import (
        A2A,
        UNLIMITED,
        Account,
        AgentCore,
        AtBudget,
        Budget,
        Call,
        ChildSpec,
        CloseStdinStep,
        CommandStep,
        ContainerPolicy,
        ContainerSpec,
        EngineHealth,
        Exec,
        ExitCodes,
        File,
        Grpc,
        Health,
        HookCall,
        HookKind,
        Hooks,
        Http,
        HttpStep,
        Idle,
        Inherit,
        Lifetime,
        Limits,
        Log,
        LogFile,
        LogFormat,
        LogStream,
        Mcp,
        Mount,
        Notify,
        Port,
        ProcessSpec,
        Progress,
        Publish,
        Pull,
        Quota,
        Rate,
        Readiness,
        Redis,
        RemoteSpec,
        RingLimits,
        SecretCommand,
        SecretEnv,
        SecretFile,
        SecretHeader,
        SendStep,
        SignalStep,
        SignalTo,
        Startup,
        Stdin,
        SupervisorSpec,
        TailLimits,
        TaskSpec,
        Tcp,
        Then,
        Unix,
        WebSocket,
        Window,
    )

_HOMES = {
    "control.endpoints": ("Endpoint", "EndpointChange"),
    "core.answers": ("Answer", "Counts", "Row"),
    "core.exits": ("Exit", "How"),
    "core.facts": ("Role",),
    "core.notices": (
        "Cause", "Context", "Judged", "Judgement", "LifeEnded", "Report", "StateChanged", "StatusTold", "TreeEnding",
        "TreeStarted", "Warned",
    ),
    "core.policy": (
        "AtLimit", "AutoShutdown", "Backoff", "Condition", "Intensity", "Profile", "Restart", "Strategy",
    ),
    "core.state": ("State",),
    "embedding.sessions": ("EndedFor", "Ending", "SessionInfo", "SessionLimits", "Sessions"),
    "embedding.specs": ("child", "container", "process", "remote", "supervisor", "supervisor_spec", "task"),
    "embedding.supervisor": ("Event", "Supervisor"),
    "embedding.tree": ("Handle", "Tree"),
    "errors": (
        "CallError", "ChildError", "ChildStartError", "ExpectTimeoutError", "Ignore", "InputClosedError",
        "LineTooLongError", "OutputEndedError", "RestartLimitReached", "SessionError", "SessionLimitError", "Shutdown",
        "SpecError", "StartError", "SupervisorError", "UnknownSessionError", "WriterBusyError", "WriteTimeoutError",
    ),
    "output.hub": ("Stream",),
    "output.reading": ("Line", "LineReader"),
    "output.ring": ("Entry", "Page", "Ring"),
    "output.selection": ("Selection",),
    "sessions.cursor": ("Cursor",),
    "sessions.search": ("EOF", "Match"),
    "sessions.session": ("Said", "Session"),
    "spec": (
        "A2A", "Account", "AgentCore", "AtBudget", "Budget", "Call", "ChildSpec", "CloseStdinStep", "CommandStep",
        "ContainerPolicy", "ContainerSpec", "EngineHealth",
        "Exec", "ExitCodes", "File", "Grpc", "Health", "HookCall", "HookKind", "Hooks", "Http", "HttpStep", "Idle",
        "Inherit", "Lifetime", "Limits", "Log", "LogFile", "LogFormat", "LogStream", "Mcp", "Mount", "Notify", "Port",
        "ProcessSpec", "Progress", "Publish", "Pull",
        "Quota", "Rate", "Readiness", "Redis", "RemoteSpec", "RingLimits", "SecretCommand",
        "SecretEnv", "SecretFile", "SecretHeader", "SendStep", "SignalStep", "SignalTo", "Startup", "Stdin",
        "SupervisorSpec", "TailLimits", "TaskSpec", "Tcp", "Then", "Unix", "UNLIMITED", "WebSocket", "Window",
    ),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "A2A",
    "EOF",
    "UNLIMITED",
    "Account",
    "AgentCore",
    "Answer",
    "AtBudget",
    "AtLimit",
    "AutoShutdown",
    "Backoff",
    "Budget",
    "Call",
    "CallError",
    "Cause",
    "ChildError",
    "ChildSpec",
    "ChildStartError",
    "CloseStdinStep",
    "CommandStep",
    "Condition",
    "ContainerPolicy",
    "ContainerSpec",
    "Context",
    "Counts",
    "Cursor",
    "EndedFor",
    "Ending",
    "Endpoint",
    "EndpointChange",
    "EngineHealth",
    "Entry",
    "Event",
    "Exec",
    "Exit",
    "ExitCodes",
    "ExpectTimeoutError",
    "File",
    "Grpc",
    "Handle",
    "Health",
    "HookCall",
    "HookKind",
    "Hooks",
    "How",
    "Http",
    "HttpStep",
    "Idle",
    "Ignore",
    "Inherit",
    "InputClosedError",
    "Intensity",
    "Judged",
    "Judgement",
    "LifeEnded",
    "Lifetime",
    "Limits",
    "Line",
    "LineReader",
    "LineTooLongError",
    "Log",
    "LogFile",
    "LogFormat",
    "LogStream",
    "Match",
    "Mcp",
    "Mount",
    "Notify",
    "OutputEndedError",
    "Page",
    "Port",
    "ProcessSpec",
    "Profile",
    "Progress",
    "Publish",
    "Pull",
    "Quota",
    "Rate",
    "Readiness",
    "Redis",
    "RemoteSpec",
    "Report",
    "Restart",
    "RestartLimitReached",
    "Ring",
    "RingLimits",
    "Role",
    "Row",
    "Said",
    "SecretCommand",
    "SecretEnv",
    "SecretFile",
    "SecretHeader",
    "Selection",
    "SendStep",
    "Session",
    "SessionError",
    "SessionInfo",
    "SessionLimitError",
    "SessionLimits",
    "Sessions",
    "Shutdown",
    "SignalStep",
    "SignalTo",
    "SpecError",
    "StartError",
    "Startup",
    "State",
    "StateChanged",
    "StatusTold",
    "Stdin",
    "Strategy",
    "Stream",
    "Supervisor",
    "SupervisorError",
    "SupervisorSpec",
    "TailLimits",
    "TaskSpec",
    "Tcp",
    "Then",
    "Tree",
    "TreeEnding",
    "TreeStarted",
    "Unix",
    "UnknownSessionError",
    "Warned",
    "WebSocket",
    "Window",
    "WriteTimeoutError",
    "WriterBusyError",
    "child",
    "container",
    "process",
    "remote",
    "supervisor",
    "supervisor_spec",
    "task",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
