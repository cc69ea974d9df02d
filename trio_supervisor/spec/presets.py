"""Presets: what suits a kind of program, where its spec says nothing. Measured on real ones (docs/explanation.md).

A preset never asks for anything that costs money, opens a session or changes something.
"""

from collections.abc import Mapping
from signal import Signals
from types import MappingProxyType

from attrs import evolve, frozen

from trio_supervisor.spec.agent_checks import AgentCore, Mcp, Redis
from trio_supervisor.spec.checks import A2A, Grpc, Http, Rpc, Stdio
from trio_supervisor.spec.probes import Health, Readiness, Startup
from trio_supervisor.spec.process import Stdin
from trio_supervisor.spec.stop import CloseStdinStep, SignalStep, StopStep


@frozen
class Preset:
    """How a kind of program is stopped, what it reads, how it is asked, and what it speaks."""

    about: str
    stop: tuple[StopStep, ...] | None
    """None: it says nothing of that."""
    stdin: Stdin = Stdin.NULL
    startup: Startup | None = None
    readiness: Readiness | None = None
    health: Health | None = None
    protocol: str | None = None

    def suited(self, *, piped: bool) -> "Preset":
        """What it is for a child whose standard input is ours, or is not: then it can't be asked over it."""
        asked = isinstance(self.health and self.health.check, Stdio)
        return evolve(self, startup=None, health=None) if asked and not piped else self


_TERM = SignalStep(Signals.SIGTERM, wait=5.0)
_SERVER = (SignalStep(Signals.SIGTERM, wait=10.0),)
# Every stdio agent and tool server that was measured ends within 0.13 s when its input ends; many ignore TERM or INT.
_STDIO = (CloseStdinStep(wait=2.0), _TERM)
_LOADING = 1800.0
"""Seconds that a model may take to be fetched and loaded."""
_FETCHED = 180.0
"""Seconds that `npx` and its like may take to fetch a program, and that to start."""
_OK_OR_LOCKED = (*range(200, 300), 401, 403)
"""Who wants a key is there."""

_MODELS = Http("/v1/models", status=_OK_OR_LOCKED)
_LLAMA_READY = Http("/health", json={"status": "ok"})
# 503 is what it says while it loads, also when it was put to sleep and is waking up.
_LLAMA_ALIVE = Http("/health", status=(200, 503), body='"ok"|Loading model')
_LANGGRAPH = Http("/ok", json={"ok": True})
_ADK = Http("/health", json={"status": "ok"})
_OPENCODE = Http("/global/health", json={"healthy": True})

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "a2a": Preset(
            "An agent that speaks A2A: its card, on both paths, with the fields that 0.3 or 1.0 requires.",
            _SERVER,
            readiness=Readiness(A2A()),
            health=Health(A2A()),
            protocol="a2a",
        ),
        "acp": Preset(
            "An ACP agent on its standard input: asked over it while nobody talks with it.",
            _STDIO,
            Stdin.PIPE,
            startup=Startup(Stdio(Rpc.ACP), deadline=_FETCHED),
            health=Health(Stdio(Rpc.ACP), timeout=10.0),
            protocol="acp",
        ),
        "agentcore": Preset(
            "An agent for AWS Bedrock AgentCore: HealthyBusy is healthy, and busy.",
            _SERVER,
            readiness=Readiness(AgentCore("/ping")),
            health=Health(AgentCore("/ping")),
            protocol="agentcore",
        ),
        "google-adk": Preset(
            "`adk api_server` and `adk web`.",
            _SERVER,
            readiness=Readiness(_ADK),
            health=Health(_ADK),
            protocol="google-adk",
        ),
        "grpc": Preset(
            "A gRPC server with the health service (needs the extra `grpc`).",
            _SERVER,
            readiness=Readiness(Grpc("{port}")),
            health=Health(Grpc("{port}")),
            protocol="grpc",
        ),
        "http": Preset("Any HTTP server: TERM, and time to end its requests.", _SERVER, protocol="http"),
        "langgraph": Preset(
            "A LangGraph server.",
            _SERVER,
            readiness=Readiness(_LANGGRAPH),
            health=Health(_LANGGRAPH),
            protocol="langgraph",
        ),
        "litellm": Preset(
            "A LiteLLM proxy. Never its `/health`, which makes real calls of models, and bills them.",
            _SERVER,
            readiness=Readiness(Http("/health/readiness"), deadline=180.0),
            health=Health(Http("/health/liveliness")),
            protocol="openai",
        ),
        "llama.cpp": Preset(
            "llama-server. That it is loading its model (503) is no failure.",
            _SERVER,
            startup=Startup(_LLAMA_READY, deadline=_LOADING),
            readiness=Readiness(_LLAMA_READY),
            health=Health(_LLAMA_ALIVE, timeout=10.0),
            protocol="openai",
        ),
        "mcp-http": Preset(
            "An MCP server over HTTP, of any revision: asked without a session, any JSON-RPC answer is alive.",
            _SERVER,
            readiness=Readiness(Mcp("/mcp")),
            health=Health(Mcp("/mcp")),
            protocol="mcp",
        ),
        "mcp-stdio": Preset(
            "An MCP server on its standard input: asked over it while nobody talks with it.",
            _STDIO,
            Stdin.PIPE,
            startup=Startup(Stdio(Rpc.MCP), deadline=_FETCHED),
            health=Health(Stdio(Rpc.MCP), timeout=10.0),
            protocol="mcp",
        ),
        # TERM breaks requests off; QUIT lets them finish.
        "nginx": Preset("nginx, with `daemon off`.", (SignalStep(Signals.SIGQUIT, wait=10.0), _TERM), protocol="http"),
        "openai-compatible": Preset(
            "A server of models with OpenAI's API. 401 is alive: it wants a key.",
            _SERVER,
            readiness=Readiness(_MODELS, deadline=_LOADING),
            protocol="openai",
        ),
        "openclaw": Preset(
            "An OpenClaw gateway: ready some seconds after it is alive.",
            _SERVER,
            readiness=Readiness(Http("/readyz"), deadline=120.0),
            health=Health(Http("/healthz", json={"ok": True})),
            protocol="openclaw",
        ),
        "opencode": Preset(
            "`opencode serve`.",
            _SERVER,
            readiness=Readiness(_OPENCODE),
            health=Health(_OPENCODE),
            protocol="opencode",
        ),
        # TERM waits for every client to leave; INT is postgres' fast shutdown.
        "postgres": Preset(
            "postgres.",
            (SignalStep(Signals.SIGINT, wait=10.0), SignalStep(Signals.SIGQUIT, wait=5.0)),
            protocol="postgres",
        ),
        # An interactive shell ignores TERM. Of HUP, bash may only take note, just before it waits for a key: one or two
        # in a hundred that had just shown a prompt did. Then the next key, which is the end of its input, ends it.
        "pty": Preset(
            "An interactive program, in a terminal of its own.",
            (SignalStep(Signals.SIGHUP, wait=2.0), CloseStdinStep(wait=3.0), _TERM),
            Stdin.PTY,
        ),
        # It saves before it ends, and loads before it serves.
        "redis": Preset(
            "redis, valkey: PING. That it is loading its data is no failure of a healthy one.",
            (SignalStep(Signals.SIGTERM, wait=20.0),),
            readiness=Readiness(Redis("{port}"), deadline=600.0),
            health=Health(Redis("{port}")),
            protocol="redis",
        ),
        "vllm": Preset(
            "vLLM: ready when it has its models; 503 of `/health` is a dead engine, which never comes back.",
            _SERVER,
            startup=Startup(Http("/health"), deadline=_LOADING),
            readiness=Readiness(_MODELS),
            health=Health(Http("/health"), period=10.0, timeout=10.0),
            protocol="openai",
        ),
    }
)
"""By the word that `preset` takes."""
