"""What a key takes where the type of its attribute does not say it: a type of its own for each form."""

from typing import NewType

Account = NewType("Account", object)
"""A user or a group, by name or number."""
AccountName = NewType("AccountName", str)
Address = NewType("Address", str)
"""Where a TCP probe connects; a port may be a number."""
Agents = NewType("Agents", object)
Callable = NewType("Callable", str)
"""An async function that is asked."""
Command = NewType("Command", object)
Defaults = NewType("Defaults", object)
Dependencies = NewType("Dependencies", object)
EnvFiles = NewType("EnvFiles", object)
Function = NewType("Function", object)
Grace = NewType("Grace", object)
"""OTP's `shutdown`: kill, a duration, or infinity."""
HeaderOfFile = NewType("HeaderOfFile", object)
"""The value of a header: a text, or a secret."""
HooksOfFile = NewType("HooksOfFile", object)
"""What is called at an edge: one hook, or several."""
IdleLimit = NewType("IdleLimit", object)
"""A limit of a life: a duration, or a mapping."""
Includes = NewType("Includes", object)
Inherited = NewType("Inherited", object)
Journal = NewType("Journal", object)
"""How much the journal keeps, or whether there is one."""
Json = NewType("Json", object)
LifetimeLimit = NewType("LifetimeLimit", object)
Limit = NewType("Limit", float)
"""A duration, or infinity. A plain float is a duration."""
Listen = NewType("Listen", str)
Logs = NewType("Logs", object)
"""Log files: one, several, or whether there is one."""
MountOfFile = NewType("MountOfFile", object)
"""A mount: `SOURCE:TARGET`, or with `:ro`."""
Number = NewType("Number", float)
PartialContainer = NewType("PartialContainer", object)
PartialHealth = NewType("PartialHealth", object)
PartialReadiness = NewType("PartialReadiness", object)
PartialStartup = NewType("PartialStartup", object)
Path = NewType("Path", str)
PresetName = NewType("PresetName", str)
Pattern = NewType("Pattern", str)
"""A regular expression."""
ProgressLimit = NewType("ProgressLimit", object)
PublishOfFile = NewType("PublishOfFile", object)
"""A published port: `OUTER:INNER`."""
Quotas = NewType("Quotas", object)
"""Patterns, or mappings with more than that."""
RateOfFile = NewType("RateOfFile", object)
"""So much per time: `5/h`."""
Replicas = NewType("Replicas", int)
Rlimit = NewType("Rlimit", int)
RlimitName = NewType("RlimitName", str)
SecretName = NewType("SecretName", str)
"""The variable that a secret becomes."""
SecretOfFile = NewType("SecretOfFile", object)
Share = NewType("Share", float)
"""A part of something: `10%`, or 0.1."""
Size = NewType("Size", int)
"""Bytes, written with a unit."""
StatusCodes = NewType("StatusCodes", object)
"""Codes of HTTP, and spans of them."""
StdinOfFile = NewType("StdinOfFile", object)
SizeOrNot = NewType("SizeOrNot", object)
"""Bytes, written with a unit, or no limit."""
Step = NewType("Step", object)
"""One step of a stop."""
Stop = NewType("Stop", object)
StrategyOfFile = NewType("StrategyOfFile", object)
"""A strategy for children that are written out."""
SubtreeStop = NewType("SubtreeStop", object)
"""How a supervisor is asked to stop: no signal reaches it."""
Umask = NewType("Umask", int)
UrlOrSecret = NewType("UrlOrSecret", object)
"""Where something is posted to: a URL, or a secret that is one."""
VariableName = NewType("VariableName", str)
Version = NewType("Version", int)
Workspace = NewType("Workspace", object)
"""Whether there is one, or its path."""
