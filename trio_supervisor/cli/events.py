"""The command `events`: what has happened, from the journal; while a supervisor runs and after it has ended."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from json import JSONEncoder
from typing import TYPE_CHECKING

from trio_supervisor.cli import exit_codes, style
from trio_supervisor.cli.harmless import harmless
from trio_supervisor.cli.remote import find_client, url_of
from trio_supervisor.cli.style import Palette, Style
from trio_supervisor.cli.times import parse_time
from trio_supervisor.control.client import Client
from trio_supervisor.errors import JournalError, UnknownAgentError
from trio_supervisor.journal.entries import Entry, Kind, Stored
from trio_supervisor.journal.plain import form_of, time_of
from trio_supervisor.state.directory import JOURNAL, find

if TYPE_CHECKING:
    from trio_supervisor.journal.reading import Reader

LAST = 10
"""Who follows and does not say since when sees so many of the past."""
ASK_AGAIN = 1.0
"""Who follows what is elsewhere asks again after so many seconds."""

_TONES = {"ready": "32", "finished": "32", "unhealthy": "31", "failed": "31", "held": "31", "backoff": "33"}
_ORDER = "36"
_LOST = "31"
_DIM = "2"


def events(options: argparse.Namespace) -> int:
    """Print what has happened; raises JournalError, ConfigError, UnknownAgentError; over a URL also what clients do."""
    since = None if options.since is None else parse_time(options.since, time.time())
    source = _source(options)
    try:
        if options.agent and not options.follow and not source.knows(options.agent):
            from trio_supervisor.config.mistakes import did_you_mean  # noqa: PLC0415 -- only for this

            hint = did_you_mean(options.agent, source.agents())
            raise UnknownAgentError(f"the journal knows no agent {options.agent!r}{hint}")
        _print(_chosen(source, options, since), _line_json if options.json else _look().line)
    except BrokenPipeError:
        # Who read it has seen enough. The rest of the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    finally:
        source.close()
    return exit_codes.DONE


def _source(options: argparse.Namespace) -> "Reader | Remote":
    """The file, which is there without a supervisor too; that of another machine through its supervisor."""
    if url_of(options) is None:
        from trio_supervisor.journal.reading import Reader  # noqa: PLC0415 -- not where the file is elsewhere

        return Reader(_path(options))
    return Remote(find_client(options))


class Remote:
    """The journal of a supervisor that is asked; see `Reader`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def close(self) -> None:
        """There is nothing to close."""

    def knows(self, agent: str) -> bool:
        """Whether anything is about this agent, or in it."""
        return bool(self._client.journal(agent=agent, tail=1))

    def agents(self) -> list[str]:
        """All that run now."""
        return [one.agent for one in self._client.snapshot()]

    def last(self, count: int, *, agent: str = "") -> list[Stored]:
        """The last so many, in order."""
        return self._client.journal(agent=agent, tail=count)

    def after(self, seq: int = 0, *, since: float = 0.0, agent: str = "") -> Iterator[Stored]:
        """What was written after a sequence number, page by page."""
        while page := self._client.journal(seq, since=since, agent=agent):
            yield from page
            seq = page[-1].seq

    def follow(self, seq: int, *, since: float = 0.0, agent: str = "") -> Iterator[Stored]:
        """The same, and then all that comes, until the supervisor is gone."""
        while True:
            for stored in self.after(seq, since=since, agent=agent):
                seq = stored.seq
                yield stored
            time.sleep(ASK_AGAIN)


def _path(options: argparse.Namespace) -> str:
    try:
        return os.fspath(find(os.path.realpath(options.file), options.state_dir, os.environ) / JOURNAL)
    except OSError as error:
        raise JournalError(f"no journal: {error.strerror}") from None


def _chosen(source: "Reader | Remote", options: argparse.Namespace, since: float | None) -> Iterator[Stored]:
    if not options.follow:
        yield from source.after(since=since or 0.0, agent=options.agent)
        return
    seq = 0
    if since is None:
        last = source.last(1)
        seq = last[-1].seq if last else 0
        yield from source.last(LAST, agent=options.agent)
    yield from source.follow(seq, since=since or 0.0, agent=options.agent)


def _print(found: Iterable[Stored], line: Callable[[Stored], bytes]) -> None:
    out = sys.stdout.buffer
    written = time.monotonic()
    for stored in found:
        out.write(line(stored))
        # In a pipe and on a terminal alike: who follows sees it now, and thousands at once go in great pieces.
        now = time.monotonic()
        if now - written > 0.001:
            out.flush()
        written = now
    out.flush()


# For programs

_encode = JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def _line_json(stored: Stored) -> bytes:
    return _encode(form_of(stored)).encode() + b"\n"


# For people


def _look() -> "Look":
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return Look(style.detect(terminal=sys.stdout.isatty(), env=os.environ, encoding=encoding))


class Look:
    """How an entry looks to a person: local time, agent, what has happened."""

    def __init__(self, chosen: Style) -> None:
        self._style = chosen
        self._palette = Palette()
        self._width = 0

    def line(self, stored: Stored) -> bytes:
        """A whole line."""
        entry = stored.entry
        name = entry.agent or "supervisor"
        self._width = max(self._width, len(name))
        when = f"{time_of(entry.at).astimezone():%Y-%m-%d %H:%M:%S}.{int(entry.at * 1000) % 1000:03d}"
        colour = self._palette.code(name) if entry.agent else _DIM
        # A reason of several lines stays one entry.
        text = harmless(words(entry).encode("utf-8", "backslashreplace"), colour=False).decode().replace("\n", "; ")
        said = self._style.paint(text, _tone(entry))
        return f"{self._style.paint(when, _DIM)} {self._style.paint(name.ljust(self._width), colour)} {said}\n".encode()


def words(entry: Entry) -> str:
    """What has happened."""
    match entry.kind:
        case Kind.STATE:
            number = f" #{entry.generation}" if entry.generation and entry.state == "starting" else ""
            return f"{_after(f'{entry.state}{number}', entry.reason)}{_where(entry)}{_next(entry)}"
        case Kind.EXIT:
            return f"ended: {entry.reason}"
        case Kind.ORDER:
            by = " from ".join(filter(None, (entry.who, entry.origin)))
            return _after(f"asked to {entry.state}" + (f" by {by}" if by else ""), entry.reason)
        case Kind.RUN:
            return f"the run has {entry.reason}"
        case Kind.LOST:
            return entry.reason


def _tone(entry: Entry) -> str:
    match entry.kind:
        case Kind.STATE:
            return _TONES.get(entry.state or "", "")
        case Kind.ORDER:
            return _ORDER
        case Kind.LOST:
            return _LOST
        case Kind.EXIT | Kind.RUN:
            return ""


def _after(said: str, reason: str) -> str:
    """With the reason, without saying a word twice."""
    if not reason:
        return said
    return reason if reason.startswith(said) else f"{said}: {reason}"


def _where(entry: Entry) -> str:
    if entry.state not in ("ready", "running"):
        return ""
    parts = [f"{name} {value}" for name, value in (("port", entry.port), ("pid", entry.pid)) if value is not None]
    return f" ({', '.join(parts)})" if parts else ""


def _next(entry: Entry) -> str:
    if entry.state != "backoff" or entry.next_at is None:
        return ""
    return f"; restart {entry.restarts} in {max(entry.next_at - entry.at, 0.0):.1f} s"
