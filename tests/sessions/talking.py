"""For tests of sessions: programs to talk with."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Unpack

import trio

from trio_supervisor import Handle, Sessions, Supervisor, process
from trio_supervisor.embedding.specs import ProcessOptions
from trio_supervisor.sessions.records import SessionLimits

PATIENCE = 60.0


def python(code: str) -> list[str]:
    """The command that runs `code`, in which each `print` is one write, at once; whatever PYTHONUNBUFFERED says."""
    return [sys.executable, "-E", "-c", f"import functools\nprint = functools.partial(print, flush=True)\n{code}"]


ECHO = python("import sys\nfor line in sys.stdin: print('got', line.strip())")
"""Answers each line."""
DEAF = python("import time\nprint('deaf', flush=True)\ntime.sleep(600)")
"""Never reads."""


@asynccontextmanager
async def running(command: list[str] | str, **options: Unpack[ProcessOptions]) -> AsyncIterator[Handle]:
    """A child with that command; nothing of it is left afterwards."""
    options.setdefault("stdin", "pipe")
    options.setdefault("restart", "temporary")
    options.setdefault("stop", "kill")
    with trio.fail_after(PATIENCE):
        async with Supervisor(process("a", command, **options)) as tree:
            yield tree["a"]


@asynccontextmanager
async def serving(limits: SessionLimits | None = None) -> AsyncIterator[tuple[Supervisor, Sessions]]:
    """A tree with sessions."""
    with trio.fail_after(PATIENCE):
        async with Supervisor() as tree, tree.sessions(limits) as sessions:
            yield tree, sessions
