"""A session: somebody talks with a child, or listens to it. Times are seconds."""

import errno
from collections.abc import Collection, Sequence
from signal import Signals
from types import TracebackType
from typing import Self

import trio

from trio_supervisor.core.exits import Exit
from trio_supervisor.errors import (
    ChildStartError,
    ExpectTimeoutError,
    InputClosedError,
    LineTooLongError,
    OutputEndedError,
    WriterBusyError,
    WriteTimeoutError,
)
from trio_supervisor.output.ring import LIMIT_BYTES
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.sessions.channel import Channel
from trio_supervisor.sessions.cursor import Cursor, cut
from trio_supervisor.sessions.expecting import Expecting
from trio_supervisor.sessions.said import Said
from trio_supervisor.sessions.search import Expected, Match, Patterns, Search
from trio_supervisor.spec import SignalTo
from trio_supervisor.writing import Writer

PATIENCE = 30.0
"""So long what is expected is waited for, and what is written may take, unless said otherwise."""
_SAID_BY_IT = (Stream.STDOUT, Stream.STDERR, Stream.LOG)


class Session:
    """A view of one child with a cursor of its own; with the right to write to it, or without (an observer).

    A context manager that detaches at its end. To detach is not to kill: the child goes on.
    """

    def __init__(self, channel: Channel, writer: Writer | None, since: Cursor) -> None:
        """Made by `attach` (see `attaching`)."""
        self._channel = channel
        self._writer = writer
        self._generation = channel.generation
        self.cursor = since
        """What `read` and `expect` go on with; may be set."""

    def __repr__(self) -> str:
        return f"<session with {self.child!r}{'' if self.writes else ', read-only'}>"

    @property
    def child(self) -> str:
        """The path of the child."""
        return self._channel.path

    @property
    def id(self) -> str:
        """The id of the child, which is that of its session where it was started by one."""
        return self._channel.id

    @property
    def pid(self) -> int | None:
        """The child's process; None when there is none now."""
        return self._channel.pid

    @property
    def writes(self) -> bool:
        """Whether it has the right to write."""
        return self._writer is not None and self._writer.held

    @property
    def writer(self) -> str:
        """The name of who has the right to write; empty: nobody."""
        return self._channel.lease.holder

    @property
    def generation(self) -> int:
        """The number of the life that is listened to."""
        return self._generation

    @property
    def terminal(self) -> bool:
        """Whether it has a terminal of its own."""
        try:
            return self._channel.input().terminal
        except InputClosedError:
            return False

    async def wait_lost(self) -> None:
        """Wait until the right to write is gone."""
        if self._writer is not None:
            await self._writer.lost.wait()

    # Writing

    async def write(self, data: bytes | str, timeout: float = PATIENCE) -> None:
        """Write all of `data`, as fast as the child reads. What it can't take yet waits here, and nowhere else; so it
        does while the child is about to start.

        Cancelled, a part may be written. In a terminal that takes lines (not keys), a line of more than 4095 bytes is
        refused: the kernel would cut it.

        Raises:
            WriteTimeoutError: it does not read; says how many bytes were taken.
            InputClosedError: there is nothing to write to any more; says how many bytes were taken.
            LineTooLongError: see above; says how many bytes were taken.
            WriterBusyError: another one writes, or the right was taken away.
        """
        view = memoryview(data.encode() if isinstance(data, str) else data)
        writer = self._right()
        await trio.lowlevel.checkpoint()
        taken = 0
        scope = writer.begin()
        try:
            with scope, trio.move_on_after(timeout):
                await self._channel.wait_started()
                reads = self._channel.input()
                while taken < len(view):
                    taken += await reads.take(view[taken:])
                    writer.lease.written_at = trio.current_time()
                    await trio.lowlevel.checkpoint()
        except OSError as error:
            kind = LineTooLongError if error.errno == errno.EMSGSIZE else InputClosedError
            raise kind(self.child, error.strerror or str(error), taken) from error
        finally:
            writer.end()
        if scope.cancelled_caught:
            raise WriterBusyError(self.child, self.writer, f"the right to write is lost; {taken} bytes were taken")
        if taken < len(view):
            raise WriteTimeoutError(self.child, taken, len(view), timeout)

    async def close_stdin(self, timeout: float = PATIENCE) -> None:
        """End the child's input. In a terminal that is ^D, which a program may take as it likes; one can go on
        writing.

        Raises:
            InputClosedError, WriteTimeoutError, WriterBusyError: as `write`.
        """
        writer = self._right()
        writer.begin()
        try:
            with trio.fail_after(timeout):
                await self._channel.wait_started()
                await self._channel.input().end()
        except trio.TooSlowError:
            raise WriteTimeoutError(self.child, 0, 1, timeout) from None
        except OSError as error:
            raise InputClosedError(self.child, error.strerror or str(error)) from error
        finally:
            writer.end()

    async def signal(self, number: int, to: SignalTo = SignalTo.GROUP) -> None:
        """Send a signal to the child's process group, or its leader.

        In a terminal SIGINT, SIGQUIT and SIGTSTP for the group go to whoever is in the foreground, as from the keys.

        Raises:
            InputClosedError: it does not run.
            WriterBusyError: another one writes.
            PermissionError: it runs as another user.
        """
        self._right()
        await self._channel.life().signal(Signals(number), group=to is SignalTo.GROUP)

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of the child's terminal; nothing happens where there is none.

        Raises:
            InputClosedError: it does not run, or reads nothing.
            WriterBusyError: another one writes.
            ValueError: no terminal is that big, or small.
        """
        self._right()
        if not (1 <= columns <= 65535 and 1 <= rows <= 65535):
            raise ValueError(f"columns and rows must be within 1 to 65535, not {columns} and {rows}")
        self._channel.input().resize(columns, rows)

    async def kill(self) -> Exit:
        """SIGKILL to the child and all that it has started, at once; returns how it ended when nothing is left.

        What follows is what its restart type says. Raises WriterBusyError: another one writes.
        """
        self._right()
        generation = self._channel.generation
        self._channel.kill()
        await self._channel.wait_over(generation)
        return self._exit(generation)

    def _right(self) -> Writer:
        if self._writer is None:
            raise WriterBusyError(self.child, self.writer, "this session only reads")
        self._writer.check()
        return self._writer

    # Reading

    def keep_unread(self) -> None:
        """Keep what comes behind `self.cursor` until it was read or the session ends, up to 4 MiB of it."""
        self._channel.ring.claim(self._unread)

    def _unread(self) -> int:
        return self.cursor.piece

    def read(self, since: Cursor | None = None, most: int = LIMIT_BYTES) -> Said:
        """What it has said from a cursor on, up to about `most` bytes; nothing is taken from other readers.

        Without a cursor it goes on where it was, and `self.cursor` is moved.
        """
        start = self.cursor if since is None else since
        page = self._channel.ring.read(start.piece, most)
        said = Said(cut(page.entries, start), Cursor(page.next) if page.entries else start, page.dropped)
        if since is None:
            self.cursor = said.next
        return said

    def __aiter__(self) -> Self:
        """All that it says, as it comes, from `self.cursor` to the end of the life that is listened to; after that the
        next one is.
        """
        return self

    async def __anext__(self) -> Said:
        await trio.lowlevel.checkpoint()
        while True:
            over = self._channel.over(self._generation)
            said = self._of_this_life()
            if said.entries or said.dropped:
                return said
            if over:
                self._go_on_to_the_next_life()
                raise StopAsyncIteration
            await self._channel.wait_said(self.cursor.piece, self._generation)

    def _of_this_life(self) -> Said:
        """As `read`, but without what a later life has said."""
        said = self.read(self.cursor)
        entries = tuple(each for each in said.entries if each.generation <= self._generation)
        if len(entries) < len(said.entries):
            said = said._replace(entries=entries, next=Cursor(said.entries[len(entries)].seq))
        self.cursor = said.next
        return said

    async def expect(
        self,
        expected: Expected | Sequence[Expected],
        timeout: float = PATIENCE,
        *,
        streams: Collection[Stream] = _SAID_BY_IT,
    ) -> Match:
        """Wait until the child says what matches one of the regular expressions, also in the middle of a line.

        It is searched from `self.cursor` on, which is moved behind it. Bytes are searched in bytes, text in UTF-8. A
        match of up to 64 KiB is found at once; a longer one within a quarter of a second, at the timeout or at the end,
        up to 1 MiB. A pattern whose cost grows with the square of a long line (`.*x`) is searched in short steps, and
        holds up nobody; what would take more than 2 s of the processor is not searched again, so that its match may be
        shorter. Nothing bounds a pattern that explodes (`(a+)+b`).
        `EOF` among them stands for the end of the life that is listened to; after that the next life is.

        Raises:
            ExpectTimeoutError: nothing of it was said in time; nothing is moved.
            OutputEndedError: the life has ended, and EOF is not among them.
            SpecError: one is no regular expression.
        """
        patterns = Patterns(expected)
        search = Search(patterns, self.cursor)
        expecting = Expecting(self._channel, self._generation, search, streams)
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(timeout) as scope:
            found = await expecting.wait()
        if scope.cancelled_caught:
            found = await expecting.find_late()
            if found is None:
                raise ExpectTimeoutError(self.child, search.before, timeout)
        if found is None:
            return self._ended(patterns, search)
        self.cursor = found.next
        return found

    def _ended(self, patterns: Patterns, search: Search) -> Match:
        exit = self._channel.exit(self._generation)
        self.cursor = search.next
        self._go_on_to_the_next_life()
        if patterns.eof is None:
            raise OutputEndedError(self.child, search.before, exit)
        return search.at_end(patterns.eof, exit)

    def _go_on_to_the_next_life(self) -> None:
        self._generation += self._generation <= self._channel.generation

    # The end

    async def wait_exit(self) -> Exit:
        """Wait until the present life is over, and return how it ended; also when that is long ago.

        Raises:
            ChildStartError: it has never lived, and never will.
        """
        generation = self._channel.generation
        await self._channel.wait_over(generation)
        return self._exit(generation)

    def exit_of(self, generation: int) -> Exit | None:
        """How that life has ended, if it is known still."""
        return self._channel.exit(generation)

    def _exit(self, generation: int) -> Exit:
        exit = self._channel.exit(generation)
        if exit is None:
            raise ChildStartError(self.child, None, "it has never lived")
        return exit

    def detach(self) -> None:
        """Leave: the right to write is free, the child goes on. Who waits here is told. Harmless when repeated."""
        if self._writer is not None:
            self._writer.release()
        self._channel.ring.forget(self._unread)
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()
