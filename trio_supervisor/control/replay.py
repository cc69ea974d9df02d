"""What somebody is shown of an agent's life so far who attaches to it."""

from trio_supervisor.control.modes import ALTERNATE, Modes, without_questions
from trio_supervisor.output.ring import Entry
from trio_supervisor.runtimes.base import Stream

MOST = 64 * 1024
"""Bytes."""


def replayed(entries: tuple[Entry, ...], *, terminal: bool, words: bool) -> list[tuple[Stream, bytes]]:
    """The last of it, from the begin of a line on (`words`); a terminal is again as the program believes it is."""
    said: list[tuple[Stream, bytes]] = [
        (each.stream, each.data) for each in entries if each.data and each.stream is not Stream.SUPERVISOR
    ]
    if not terminal:
        return _last(said) if words else []
    modes = Modes()
    modes.feed(b"".join(data for _, data in said))
    if modes.on & ALTERNATE or not words:
        # What is on the screen of an editor can't be had from its last words; it draws anew when the size changes.
        return [(Stream.STDOUT, modes.again())]
    last = b"".join(data for _, data in _last(said))
    return [(Stream.STDOUT, without_questions(last) + modes.again())]


def _last(said: list[tuple[Stream, bytes]]) -> list[tuple[Stream, bytes]]:
    size, start = 0, len(said)
    while start and size < MOST:
        start -= 1
        size += len(said[start][1])
    found = said[start:]
    if size > MOST:
        stream, first = found[0]
        cut = first[size - MOST :]
        found[0] = (stream, cut[cut.find(b"\n") + 1 :])
    return found
