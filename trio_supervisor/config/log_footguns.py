"""Log files that several write to, and do not agree about."""

import os
from collections.abc import Container, Iterator

from trio_supervisor.config.drafts import Draft, Group
from trio_supervisor.config.mistakes import Mistake, Mistakes, shown
from trio_supervisor.config.probe_footguns import place_of
from trio_supervisor.spec import LogFile

_OF_THE_FILE = ("format", "size", "age", "keep", "gzip", "total")


def warn_of_shared_logs(root: Group, running: Container[str], warnings: Mistakes) -> None:
    """Warn where a file is written in several formats, or is to be rotated in several ways: the first one's counts."""
    first: dict[str, tuple[str, LogFile]] = {}
    for draft in root.walk():
        for path, log, file in _files(draft, running):
            agent, other = first.setdefault(file, (path, log))
            differing = [name for name in _OF_THE_FILE if getattr(log, name) != getattr(other, name)]
            place = place_of(draft.node, "log")
            if not differing or place is None:
                continue
            words = f"log: file {shown(file)} is also that of {shown(agent)}, with another {', '.join(differing)}"
            warnings.add(Mistake(place, f"{words}: write the same, or another file", agent=draft.if_elsewhere(place)))


def _files(draft: Draft, running: Container[str]) -> Iterator[tuple[str, LogFile, str]]:
    if draft.spec is None:
        return
    for path in draft.paths:
        for log in draft.spec.log if path in running else ():
            # Without a file it is one in the directory for logs, by the name of the agent.
            yield path, log, os.path.normpath((log.file or "{id}.log").replace("{id}", path))
