"""Waiting for what a life says: its output is fed to a search as it comes. Times are seconds."""

import math
from collections.abc import Collection

import trio

from trio_supervisor.runtimes.base import Stream
from trio_supervisor.sessions.channel import Channel
from trio_supervisor.sessions.search import Match, Search

_PAGE = 64 * 1024
_SEARCH_AGAIN = 0.25
"""Between two searches of all that is kept."""


class Expecting:
    """Waits for one match in what one life says."""

    def __init__(self, channel: Channel, generation: int, search: Search, streams: Collection[Stream]) -> None:
        self._channel = channel
        self._generation = generation
        self._search = search
        self._streams = streams

    async def wait(self) -> Match | None:
        """Wait for the match; None: the life is over."""
        search = self._search
        again_at = trio.current_time() + _SEARCH_AGAIN
        while True:
            # Before the reading: all that a life says is there before its end.
            over = self._channel.over(self._generation)
            whole = self._feed()
            is_time = trio.current_time() >= again_at
            found = await self._find(over=over and whole, whole=is_time)
            if found is not None or (over and whole):
                return found
            if is_time:
                again_at = trio.current_time() + _SEARCH_AGAIN
            if whole:
                with trio.move_on_at(again_at if search.partly else math.inf):
                    await self._channel.wait_said(search.next.piece, self._generation)
            else:
                await trio.lowlevel.checkpoint()

    async def find_late(self) -> Match | None:
        """What there is to be found when there is no more time to wait."""
        # What was too dear for the time there was is not begun again.
        return None if self._search.unfinished else await self._find(whole=True)

    def _feed(self) -> bool:
        """Feed what is there, up to a good page; returns whether that is all, of the life that is listened to."""
        ring, search = self._channel.ring, self._search
        page = ring.read(search.next.piece, _PAGE)
        search.skip(page.dropped)
        for entry in page.entries:
            if entry.generation > self._generation:
                return True
            if entry.stream in self._streams:
                search.feed(entry)
            else:
                search.pass_over(entry)
        return page.next >= ring.next

    async def _find(self, *, over: bool = False, whole: bool = False) -> Match | None:
        """What is found, in steps between which others have their turn."""
        steps = self._search.finding(over=over, whole=whole)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: Match | None = end.value
                return found
            await trio.lowlevel.checkpoint()
