"""An agent that is an async function: it lives in the supervisor's own process, and is cancelled when it is to stop."""

import sys

import trio


async def tick(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Say every ten seconds that it is there."""
    task_status.started()
    while True:
        sys.stdout.write("ticker: still here\n")
        sys.stdout.flush()
        await trio.sleep(10)
