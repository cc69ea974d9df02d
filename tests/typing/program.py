"""A program of a user who annotates with trio_typing: it runs, and passes `mypy --strict` beside that package's stubs.

Not a test for pytest: .ci/run runs and checks it in an environment with the built wheel and the extra legacy-typing.
"""

from typing import assert_type

import trio
import trio_typing

from trio_supervisor.core.notices import Notice, StateChanged
from trio_supervisor.core.policy import Restart
from trio_supervisor.core.state import State
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.output.hub import Hub
from trio_supervisor.spec import ChildSpec, SupervisorSpec, TaskSpec
from trio_supervisor.wiring import make_supervisor


async def poll(task_status: trio_typing.TaskStatus[None]) -> None:
    """A child that says itself when it is ready, by the class of trio_typing."""
    await trio.sleep(0.01)
    task_status.started()
    await trio.sleep_forever()


async def main() -> list[State]:
    """Run the child until it is ready; returns the states that it went through."""
    seen: list[State] = []
    ready = trio.Event()

    def listen(_: str, notice: Notice) -> None:
        if isinstance(notice, StateChanged):
            seen.append(notice.new)
            if notice.new is State.READY:
                ready.set()

    poller = ChildSpec("poller", TaskSpec(poll), restart=Restart.TRANSIENT)
    supervisor = make_supervisor(SupervisorSpec((poller,)), Hub())
    assert_type(supervisor, Supervisor)
    supervisor.listen(listen)
    async with supervisor.open() as tree:
        assert_type(tree.children["poller"].state, State)
        with trio.fail_after(10):
            await ready.wait()
    return seen


if __name__ == "__main__":
    states = trio.run(main)
    assert State.RUNNING in states, states
    assert states[-1] is State.STOPPED, states
