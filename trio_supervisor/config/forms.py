"""What a key takes where the type of its attribute does not say it: a type of its own for each form."""

from typing import NewType

Address = NewType("Address", str)
"""Where a TCP probe connects; a port may be a number."""
Agents = NewType("Agents", object)
Command = NewType("Command", object)
Defaults = NewType("Defaults", object)
Dependencies = NewType("Dependencies", object)
EnvFiles = NewType("EnvFiles", object)
Function = NewType("Function", object)
Grace = NewType("Grace", object)
"""OTP's `shutdown`: kill, a duration, or infinity."""
Includes = NewType("Includes", object)
Json = NewType("Json", object)
Limit = NewType("Limit", float)
"""A duration, or infinity. A plain float is a duration."""
Number = NewType("Number", float)
PartialHealth = NewType("PartialHealth", object)
PartialReadiness = NewType("PartialReadiness", object)
Path = NewType("Path", str)
Replicas = NewType("Replicas", int)
Stop = NewType("Stop", object)
StrategyOfFile = NewType("StrategyOfFile", object)
"""A strategy for children that are written out."""
SubtreeStop = NewType("SubtreeStop", object)
"""How a supervisor is asked to stop: no signal reaches it."""
VariableName = NewType("VariableName", str)
Version = NewType("Version", int)
