"""Waits for a line in what a child says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.spec import Log
from trio_supervisor.telling import Found
from trio_supervisor.words import one_line


@asynccontextmanager
async def open_log(check: Log, target: Target, _: float) -> AsyncIterator[OpenProbe]:
    """Open a probe that answers whenever a line is said that is looked for, from the beginning of the life on.

    Raises:
        ProbeError: a pattern needs the child's port, and the child has none; or nobody keeps what it says.
    """
    search = None if target.telling is None else target.telling.searches.get(target.role)
    if search is None:
        raise ProbeError("log: what a child of this kind says can't be searched")
    if target.port is None and any("{port}" in text for text in (check.log, check.fail) if text):
        raise ProbeError(f"log {check.log or check.fail!r} needs a port, and the child has none")

    async def ask() -> Answer:
        return _answer(await search.next())

    def last() -> Answer:
        return Answer(False, "it has said nothing of the kind yet") if search.latest is None else _answer(search.latest)

    yield OpenProbe(ask, waits=True, last=last)


def _answer(found: Found) -> Answer:
    how = "says what it fails by" if found.failure else "says"
    return Answer(not found.failure, f"it {how}: {one_line(found.line)}", decisive=True)
