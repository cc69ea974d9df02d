"""The children of another process, as the kernel lists them; looked at again and again without a new descriptor."""

import os


class Children:
    """The children of a process with one thread."""

    def __init__(self, pid: int) -> None:
        """Harmless where the kernel does not list them (proc_pid_children(5))."""
        try:
            self._fd = os.open(f"/proc/{pid}/task/{pid}/children", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._fd = -1

    def read(self) -> set[int] | None:
        """Their numbers now; None where they are not listed."""
        if self._fd < 0:
            return None
        try:
            os.lseek(self._fd, 0, os.SEEK_SET)
            pieces = []
            while piece := os.read(self._fd, 1 << 16):
                pieces.append(piece)
        except OSError:  # the process is gone
            return None
        return set(map(int, b"".join(pieces).split()))

    def close(self) -> None:
        """Free the descriptor; harmless when it is freed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
