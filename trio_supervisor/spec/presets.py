"""Presets: what suits a kind of program, where its spec says nothing. Measured on real ones (docs/explanation.md)."""

from collections.abc import Mapping
from signal import Signals
from types import MappingProxyType

from attrs import frozen

from trio_supervisor.spec.process import Stdin
from trio_supervisor.spec.stop import CloseStdinStep, SignalStep, StopStep


@frozen
class Preset:
    """How a kind of program is stopped, and what it reads."""

    stop: tuple[StopStep, ...]
    stdin: Stdin = Stdin.NULL


_TERM = SignalStep(Signals.SIGTERM, wait=5.0)
# Every stdio agent and tool server that was measured ends within 0.13 s when its input ends; many ignore TERM or INT.
_STDIO = Preset((CloseStdinStep(wait=2.0), _TERM), Stdin.PIPE)

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "acp": _STDIO,
        "mcp-stdio": _STDIO,
        "http": Preset((SignalStep(Signals.SIGTERM, wait=10.0),)),
        # An interactive shell ignores TERM. Of HUP, bash may only take note, just before it waits for a key: one or two
        # in a hundred that had just shown a prompt did. Then the next key, which is the end of its input, ends it.
        "pty": Preset((SignalStep(Signals.SIGHUP, wait=2.0), CloseStdinStep(wait=3.0), _TERM), Stdin.PTY),
        # TERM waits for every client to leave; INT is postgres' fast shutdown.
        "postgres": Preset((SignalStep(Signals.SIGINT, wait=10.0), SignalStep(Signals.SIGQUIT, wait=5.0))),
        # TERM breaks requests off; QUIT lets them finish.
        "nginx": Preset((SignalStep(Signals.SIGQUIT, wait=10.0), _TERM)),
    }
)
"""By the word that `preset` takes."""
