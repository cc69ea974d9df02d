"""The fetching of an image from its registry, with the credentials that this machine has for it."""

import os
from collections.abc import Callable

from trio_supervisor.commands import Captured
from trio_supervisor.runtimes.container.credentials import HELPER_TIMEOUT, credentials_for
from trio_supervisor.runtimes.container.engine import ContainerEngine, Fetch
from trio_supervisor.runtimes.process.command import capture_command


async def fetch(engine: ContainerEngine, image: str, say: Callable[[str], None]) -> None:
    """Have an image fetched, which takes as long as it takes. Raises EngineError."""
    credentials = await credentials_for(image, os.environ, _ask, say)
    async with engine.open(Fetch(image, credentials)) as talk:
        while await talk.heard() is not None:
            pass


async def _ask(command: tuple[str, ...], given: bytes) -> Captured:
    return await capture_command(command, None, os.environ, HELPER_TIMEOUT, stdin=given)
