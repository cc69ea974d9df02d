"""How the life of a container has ended, from what its engine shows."""

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.runtimes.container.engine import Seen

_SIGKILL = 9
_KILLED = 128 + _SIGKILL


def exit_of(seen: Seen, memory: int | None, *, killed: bool) -> Exit:
    """The exit of a container that is over. `memory`: its limit; `killed`: by us.

    Not every engine tells that memory ran out (Podman 4). One that does (Docker) also tells it when that ended only a
    process that the first one had started.
    """
    if seen.code == _KILLED and not killed and (seen.out_of_memory or _may_be_memory(seen, memory)):
        limit = "memory of the machine" if memory is None else f"its limit of {_bytes(memory)}"
        detail = limit if seen.out_of_memory else f"{limit}, most likely: its engine does not tell"
        return Exit(How.OUT_OF_MEMORY, code=seen.code, signal=_SIGKILL, detail=detail)
    detail = "memory ran out for one of its processes" if seen.out_of_memory and not killed else ""
    if 128 < seen.code <= 128 + 64:
        return Exit(How.SIGNALED, code=seen.code, signal=seen.code - 128, detail=detail)
    return Exit(How.EXITED, code=seen.code, detail=detail if seen.code else "")


def _may_be_memory(seen: Seen, memory: int | None) -> bool:
    return memory is not None and not seen.tells_memory


def _bytes(size: int) -> str:
    return f"{size >> 20}M" if size % 2**20 == 0 else f"{size} bytes"
