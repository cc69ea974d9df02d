"""A claim: the right to run a file, for as long as the run lasts, and what the run before it has left."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from trio_supervisor.record import record
from trio_supervisor.state.directory import JOURNAL, find, make
from trio_supervisor.state.leftovers import PATIENCE, Cleared, clear
from trio_supervisor.state.lock import Lock


@record
class Claim:
    """What a run may use."""

    directory: Path | None
    """The state directory, ours alone while the claim lasts; None: there is none that can be written to."""
    warnings: tuple[str, ...] = ()

    @property
    def lease(self) -> Path | None:
        """The file that says who lives."""
        return None if self.directory is None else self.directory / "lease"

    @property
    def journal(self) -> Path | None:
        """The file that says what has happened."""
        return None if self.directory is None else self.directory / JOURNAL

    async def clear(self, patience: float = PATIENCE) -> Cleared:
        """Kill what the run before this one has left; to be awaited before the lease is written. See `clear`."""
        return Cleared() if self.lease is None else await clear(self.lease, patience)


@contextmanager
def claimed(file: str, state_dir: str | None, environ: Mapping[str, str]) -> Iterator[Claim]:
    """Claim a file while the block lasts; `file` is its real path, `state_dir` what was asked for.

    A state directory that can't be made or written to is no reason not to run: it is warned of.

    Raises:
        LockedError: another supervisor runs it; who, in words.
        ConfigError: the state directory belongs to somebody else.
    """
    lock: Lock | None = None
    try:
        directory = find(file, state_dir, environ)
        make(directory)
        lock = Lock(directory, file)
        claim = Claim(directory)
    except OSError as error:
        claim = Claim(None, (_unusable(error),))
    try:
        yield claim
    finally:
        if lock is not None:
            lock.release()


def _unusable(error: OSError) -> str:
    where = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else "the state directory"
    return (
        f"no state directory: {where}: {error.strerror}; so nothing keeps a second supervisor off this file, and what "
        "lives on when this one and its guardian are killed at once is not found at the next start; there is no journal"
    )
