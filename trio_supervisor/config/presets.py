"""The preset of an agent: what it says where nothing is written, each key alone, below even `defaults`."""

from functools import cache
from typing import cast

from trio_supervisor.config.drafts import Draft
from trio_supervisor.config.merge import merge_below
from trio_supervisor.config.mistakes import MistakeError
from trio_supervisor.config.nodes import Mapping, Scalar
from trio_supervisor.config.plain import node_of, plain_preset
from trio_supervisor.spec import Stdin
from trio_supervisor.spec.presets import PRESETS

PROBES = ("startup", "readiness", "health")


def with_preset(agent: Mapping) -> Mapping:
    """An agent with the probes of its preset below its own: what is written (`null` is, too) wins, key by key."""
    name = agent.get("preset")
    if not isinstance(name, Scalar) or "task" in agent.entries:
        return agent
    return merge_below(cast(Mapping, node_of(_probes(_text(name), piped=_is_piped(agent)), name)), agent)


def _is_piped(agent: Mapping) -> bool:
    """Whether nothing is written that keeps its standard input from being a pipe."""
    stdin = agent.get("stdin")
    written = isinstance(stdin, Scalar) and _text(stdin) != Stdin.PIPE.value
    return not written and not {"remote", "container"} & agent.entries.keys()


@cache
def _probes(name: str, *, piped: bool) -> dict[str, object]:
    """The probes of a preset; none of one that there is not, which is told elsewhere."""
    found = plain_preset(PRESETS[name].suited(piped=piped)) if name in PRESETS else {}
    return {probe: value for probe, value in found.items() if probe in PROBES}


def _text(node: Scalar) -> str:
    try:
        return node.text
    except MistakeError:
        return ""


def apply_preset(draft: Draft, *, process: bool) -> None:
    """Let the preset say what is written nowhere, not even in `defaults`, of what is no probe."""
    values = draft.fields.values
    name = values.get("preset")
    if not isinstance(name, str):
        return
    preset = PRESETS[name]
    if draft.node.get("protocol") is None and preset.protocol is not None:
        values["protocol"] = preset.protocol
    if not process:
        return
    if not (draft.has("stop") or draft.has("grace")):
        values["stop"] = preset.stop
    if draft.node.get("stdin") is None:
        values["stdin"] = preset.stdin
