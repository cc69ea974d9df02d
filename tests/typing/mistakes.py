"""Wrong calls of our interface: the type checker must find each marked line, beside trio_typing's stubs too."""

from trio_supervisor.core.policy import Restart
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.output.hub import Hub
from trio_supervisor.spec import ChildSpec, ProcessSpec, SupervisorSpec
from trio_supervisor.wiring import make_supervisor


async def main() -> None:
    """Make one mistake a line."""
    right = ChildSpec("right", ProcessSpec(("sleep", "60")), restart=Restart.PERMANENT)
    ChildSpec("wrong", ProcessSpec(("sleep", "60")), restart="permanent")  # error
    ChildSpec("wrong", "sleep 60")  # error
    SupervisorSpec((right,), stop_deadline="30s")  # error
    supervisor: Supervisor = make_supervisor(SupervisorSpec((right,)))  # error
    supervisor = make_supervisor(SupervisorSpec((right,)), Hub())
    supervisor.listen(lambda: None)  # error
    async with supervisor.open() as tree:
        assert tree.children["right"].stat  # error
