"""Asks the engine of a container how it is: by the HEALTHCHECK of its image, which the engine runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trio_supervisor.core.facts import Role
from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.spec import EngineHealth


@asynccontextmanager
async def open_engine(_check: EngineHealth, target: Target, _timeout: float) -> AsyncIterator[OpenProbe]:
    """Open a probe that succeeds when the engine says healthy; for health it fails only when that says unhealthy.

    Raises:
        ProbeError: the child has no engine. Asking raises it when the engine can't be asked, or looks after no health.
    """
    health = target.engine
    if health is None:
        raise ProbeError("engine: a child of this kind has no container engine")

    async def ask() -> Answer:
        status, detail = await health()
        if not status:
            raise ProbeError("engine: it looks after no health: the image has no HEALTHCHECK; write another probe")
        words = f"its engine says {status}" + (f": {detail}" if detail else "")
        return Answer(status == "healthy" or (status == "starting" and target.role is Role.HEALTH), words)

    yield OpenProbe(ask)
