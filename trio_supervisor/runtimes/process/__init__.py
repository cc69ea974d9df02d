"""Children that are OS processes: how one is spawned, read, signalled, and how nothing of it is left in the end."""

from trio_supervisor.runtimes.process.life import ProcessLife
from trio_supervisor.runtimes.process.runtime import ProcessRuntime

__all__ = ["ProcessLife", "ProcessRuntime"]
