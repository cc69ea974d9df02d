"""Every type of single values: how it is read, and what the schema says of it."""

from collections.abc import Callable, Mapping
from signal import Signals

from attrs import frozen

from trio_supervisor.config import forms, limit_values, scalars, system_values
from trio_supervisor.config.durations import PATTERN
from trio_supervisor.config.nodes import Node
from trio_supervisor.config.rates import PATTERN as RATE
from trio_supervisor.config.sizes import PATTERN as SIZE
from trio_supervisor.config.system_values import OCTAL
from trio_supervisor.spec import RLIMITS, Port, Stdin
from trio_supervisor.spec.presets import PRESETS


@frozen
class ScalarType:
    """A type of single values."""

    read: Callable[[Node], object]
    schema: Mapping[str, object]


_TEXT = {"type": "string"}
_SIZE: tuple[Mapping[str, object], ...] = ({"type": "string", "pattern": SIZE},)
_DURATION: tuple[Mapping[str, object], ...] = ({"type": "string", "pattern": PATTERN}, {"const": 0})

SCALARS: dict[object, ScalarType] = {
    str: ScalarType(scalars.text, _TEXT),
    bool: ScalarType(scalars.boolean, {"type": "boolean"}),
    int: ScalarType(scalars.whole, {"type": "integer"}),
    float: ScalarType(scalars.duration, {"anyOf": [*_DURATION]}),
    Port: ScalarType(
        scalars.port,
        {
            "anyOf": [
                {"const": "auto"},
                {"type": "integer", "minimum": 1, "maximum": 65535},
                {"type": "string", "pattern": "^[0-9]+(-[0-9]+)?$"},
            ]
        },
    ),
    Signals: ScalarType(
        scalars.signal, {"enum": [form for name in Signals.__members__ for form in (name.removeprefix("SIG"), name)]}
    ),
    forms.Limit: ScalarType(scalars.limit, {"anyOf": [*_DURATION, {"const": "infinity"}]}),
    forms.Grace: ScalarType(scalars.grace, {"anyOf": [*_DURATION, {"enum": ["kill", "infinity"]}]}),
    forms.Replicas: ScalarType(scalars.replicas, {"type": "integer", "minimum": 1}),
    forms.Number: ScalarType(scalars.number, {"type": "number"}),
    forms.Version: ScalarType(scalars.version, {"const": 1}),
    forms.Path: ScalarType(scalars.path, _TEXT),
    forms.AccountName: ScalarType(limit_values.account_name, {"type": "string", "pattern": limit_values.NAME}),
    forms.Pattern: ScalarType(limit_values.pattern, _TEXT),
    forms.RateOfFile: ScalarType(limit_values.rate, {"type": "string", "pattern": RATE}),
    forms.Share: ScalarType(
        limit_values.share, {"anyOf": [{"type": "string", "pattern": limit_values.PERCENT}, {"type": "number"}]}
    ),
    forms.Address: ScalarType(scalars.address, {"type": ["string", "integer"]}),
    forms.Function: ScalarType(scalars.function, {"type": "string", "pattern": r"^[^\s:]+:[^\s:]+$"}),
    forms.Callable: ScalarType(scalars.function_name, {"type": "string", "pattern": r"^[^\s:]+:[^\s:]+$"}),
    forms.Account: ScalarType(system_values.account, {"anyOf": [{"type": "integer", "minimum": 0}, _TEXT]}),
    forms.Workspace: ScalarType(system_values.workspace, {"anyOf": [{"type": "boolean"}, _TEXT]}),
    forms.Listen: ScalarType(system_values.listen, {"anyOf": [{"const": True}, _TEXT]}),
    forms.PresetName: ScalarType(system_values.preset, {"enum": list(PRESETS)}),
    forms.Rlimit: ScalarType(
        system_values.rlimit, {"anyOf": [{"type": "integer", "minimum": 0}, *_SIZE, {"const": "unlimited"}]}
    ),
    forms.RlimitName: ScalarType(system_values.rlimit_name, {"enum": list(RLIMITS)}),
    forms.SecretName: ScalarType(system_values.secret_name, {"pattern": "^[^=]+$"}),
    forms.Size: ScalarType(system_values.size, *_SIZE),
    forms.SizeOrNot: ScalarType(system_values.size_or_not, {"anyOf": [*_SIZE, {"const": "unlimited"}]}),
    forms.StdinOfFile: ScalarType(system_values.stdin, {"enum": [*(one.value for one in Stdin), None]}),
    # A bare 022 is 22 in YAML 1.2 and 18 in YAML 1.1, as an editor may read it.
    forms.Umask: ScalarType(
        system_values.umask,
        {"anyOf": [{"type": "string", "pattern": OCTAL}, {"type": "integer", "minimum": 0, "maximum": 777}]},
    ),
    forms.MountOfFile: ScalarType(system_values.mount, {"type": "string", "pattern": "^[^:]+:/[^:]*(:(ro|rw))?$"}),
    forms.PublishOfFile: ScalarType(system_values.publish, {"type": "string", "pattern": "^.+:.+$"}),
    forms.VariableName: ScalarType(scalars.variable_name, {"pattern": "^[^=]+$"}),
}
