"""inotify(7): to be told when something in a directory is written, renamed or removed. By the C library: Python has no
call for it.
"""

import os

_WRITTEN, _MOVED_FROM, _MOVED_TO, _CREATED, _DELETED = 0x8, 0x40, 0x80, 0x100, 0x200
_MASK = _WRITTEN | _MOVED_FROM | _MOVED_TO | _CREATED | _DELETED
"""Not IN_MODIFY: who writes piece by piece is told of when it is done."""


class Inotify:
    """Watches directories; `descriptor` can be read when something has happened in one of them."""

    def __init__(self) -> None:
        """Raises OSError: the system has none to give."""
        import ctypes  # noqa: PLC0415 -- it takes 10 ms

        self._libc = ctypes.CDLL(None, use_errno=True)
        self._errno = ctypes.get_errno
        try:
            self.descriptor: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except AttributeError as error:
            raise OSError("it has no inotify") from error
        if self.descriptor < 0:
            raise self._error()

    def watch(self, directory: str) -> None:
        """Watch a directory, too; once is enough. Raises OSError."""
        if self._libc.inotify_add_watch(self.descriptor, os.fsencode(directory), _MASK) < 0:
            raise self._error()

    def drain(self) -> None:
        """Take what has happened; what it was shows in the directories."""
        try:
            while os.read(self.descriptor, 65536):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self.descriptor)

    def _error(self) -> OSError:
        number: int = self._errno()
        return OSError(number, os.strerror(number))
