"""HTTP: Hypercorn speaks it on each connection, Starlette finds who answers. Imported when the first client comes."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from trio_supervisor.control.api import Control
from trio_supervisor.control.server.app import make_app
from trio_supervisor.control.server.entry import Entry
from trio_supervisor.control.server.gate import Gate
from trio_supervisor.control.wire.attaching import WINDOW

IDLE = 60.0
"""A client that asks nothing for so many seconds is let go."""


def connection_handler(
    control: Control, closing: trio.Event, entry: Entry | None = None
) -> Callable[[Any], Awaitable[None]]:
    """What serves a stream until its end. `entry`: who may come in, where not everybody may who can connect."""
    application: Any = make_app(control, closing)
    if entry is not None:
        application = Gate(application, entry)
    app = ASGIWrapper(application)
    config = _config()
    context = WorkerContext(None)

    async def serve(stream: Any) -> None:
        async with trio.open_nursery() as nursery:

            async def end_when_idle() -> None:
                # Hypercorn lets idle connections go then, and no request follows the one that is under way.
                await closing.wait()
                await context.terminated.set()

            nursery.start_soon(end_when_idle)
            await _Server(app, config, context, ConnectionState({}), stream)
            nursery.cancel_scope.cancel()

    return serve


class _Server(TCPServer):
    async def _read_data(self) -> None:
        await super()._read_data()
        # The client is gone. Hypercorn would keep its place until it has been idle for long enough.
        await self.idle_task.stop()


def _config() -> Config:
    config = Config()
    config.accesslog = None
    # What goes wrong in an answer is for the supervisor's own log, under the names of ours.
    config.errorlog = logging.getLogger(__name__)
    config.include_server_header = False
    config.keep_alive_timeout = IDLE
    config.keep_alive_max_requests = 1_000_000
    config.h11_max_incomplete_size = 64 * 1024
    config.websocket_max_message_size = WINDOW
    return config
