"""How the engine of a life is found: one that answers is waited for."""

import os
from collections.abc import Callable

import trio

from trio_supervisor.runtimes.container.address import NoEngineError, remedy
from trio_supervisor.runtimes.container.engine import EngineError
from trio_supervisor.runtimes.container.kill import Kill
from trio_supervisor.runtimes.container.pauses import FIRST_PAUSE, longer
from trio_supervisor.runtimes.container.setting import Setting
from trio_supervisor.runtimes.container.watch import Listener

Find = Callable[[], Listener]
"""Gives the engine as it is found now. Raises NoEngineError: there may be one later; StartError: waiting won't help."""


async def find_engine(find: Find, setting: Setting, kill: Kill) -> Listener:
    """Wait for one that answers: that it is away is no fault of what is to be started.

    Raises:
        StartError: none can be had, or a kill is wanted.
    """
    waited, pause = False, FIRST_PAUSE
    while True:
        kill.check_unwanted()
        found = await _ask(find, setting)
        if isinstance(found, Listener):
            if waited:
                setting.waits_for("")
            return found
        waited = True
        setting.waits_for(f"its container engine: {found}")
        await trio.sleep(pause)
        pause = longer(pause)


async def _ask(find: Find, setting: Setting) -> Listener | str:
    """The engine, or why there is nobody who answers."""
    try:
        found = find()
    except NoEngineError as error:
        return str(error)
    try:
        await found.engine.look(setting.name)
    except EngineError as error:
        if error.away:
            return f"{error}; {remedy(setting.spec.engine, os.environ)}"
        # Of any other trouble the first that is asked of it tells what is wrong.
    return found
