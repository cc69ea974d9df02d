"""Containers of a supervisor that is gone: found by their label, killed and removed. The standard library is enough.

Which engines may have some stands in a file beside the lease: a line that something may be owed to one, written before
anything is asked of it, and a line that it is paid. Times are seconds.
"""

import http.client
import json
import os
import socket
import time
from contextlib import closing, suppress
from urllib.parse import quote

from trio_supervisor.system import engine_tls

LABEL = "trio-supervisor.instance"
LEDGER = "containers"
"""The name of the file, in the directory of the lease."""
CALL = 5.0
"""So long one call may take."""
SETTLED = 1.0
"""What was asked for by who was killed may come so late."""
_PAUSE = 0.1
_FORCED_AFTER = 3.0
"""So long after the first look an engine is asked to remove by force what it has not killed."""

_HTTP_ERRORS = (OSError, http.client.HTTPException, ValueError)


def sweep(address: str, instance: str, patience: float, *, settle: float = 0.0) -> tuple[list[str], str]:
    """Remove all containers of an instance from an engine; returns their names, and what is in the way of the others.

    `settle`: none must have been there for so long. An engine that does not answer is asked again until `patience` is
    over.
    """
    begun = time.monotonic()
    removed: dict[str, str] = {}
    empty_since: float | None = None
    while True:
        trouble = ""
        now = time.monotonic()
        try:
            found = _ours(address, instance)
            for id, name, running in found:
                trouble = _remove(address, id, running, force=now - begun >= _FORCED_AFTER) or trouble
                removed[id] = name
            if found:
                empty_since = None
                trouble = trouble or f"{', '.join(name for _, name, _ in found)} would not go"
            else:
                empty_since = now if empty_since is None else empty_since
                if now - empty_since >= settle:
                    return list(removed.values()), ""
        except _HTTP_ERRORS as error:
            trouble = f"{address}: {_why(error)}"
        if now - begun >= patience:
            return list(removed.values()), trouble or f"{address}: more of them may come"
        time.sleep(_PAUSE)


def _ours(address: str, instance: str) -> list[tuple[str, str, bool]]:
    """Id, name, and whether it runs, of each."""
    filters = quote(json.dumps({"label": [f"{LABEL}={instance}"]}))
    status, body = _ask(address, "GET", f"/containers/json?all=1&filters={filters}")
    found = json.loads(body)
    if status != 200 or not isinstance(found, list):
        raise OSError(0, f"HTTP {status}")
    ours = []
    for each in found:
        # It must say so itself: an engine that passes over a filter lists those of others.
        if (each.get("Labels") or {}).get(LABEL) == instance:
            name = ((each.get("Names") or [""])[0] or each["Id"][:12]).removeprefix("/")
            ours.append((each["Id"], name, each.get("State") not in ("exited", "created", "dead", "configured")))
    return ours


def _remove(address: str, id: str, running: bool, *, force: bool) -> str:
    """Kill, or remove what does not run; returns what the engine has against it."""
    if running:
        _ask(address, "POST", f"/containers/{id}/kill?signal=KILL")
    if not running or force:
        status, body = _ask(address, "DELETE", f"/containers/{id}?v=1&force={int(force)}")
        if status >= 400 and status not in (404, 409):
            return f"{address}: {_words(body)}"
    return ""


def _words(body: bytes) -> str:
    """Why it has refused."""
    text = body.decode(errors="replace").strip()
    with suppress(ValueError):
        found = json.loads(text)
        text = str(found.get("message") or text) if isinstance(found, dict) else text
    return " ".join(text.split())[:200]


def _ask(address: str, method: str, path: str) -> tuple[int, bytes]:
    with closing(_Connection(address)) as connection:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()


class _Connection(http.client.HTTPConnection):
    """To `unix:///path`, `tcp://host:port`, or one with TLS (see `engine_tls`)."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._path = address.removeprefix("unix://") if address.startswith("unix://") else ""
        super().__init__("localhost" if self._path else engine_tls.host_of(address), timeout=CALL)

    def connect(self) -> None:
        if not self._path:
            super().connect()
            if self._address.startswith(engine_tls.SCHEME):
                self.sock = engine_tls.context_of(self._address).wrap_socket(self.sock, server_hostname=self.host)
            return
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(CALL)
        self.sock.connect(self._path)


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def note_owed(lease: str, instance: str, address: str) -> None:
    """Write down that there may be containers of an instance at an engine. Raises OSError."""
    _append(lease, f"owed\t{instance}\t{address}\n")


def note_paid(lease: str, instance: str, address: str) -> None:
    """Write down that there are none any more. Raises OSError."""
    _append(lease, f"paid\t{instance}\t{address}\n")


def owed(lease: str) -> list[tuple[str, str]]:
    """Instances and engines where something may be left; torn lines and strange ones are passed over."""
    found: dict[tuple[str, str], None] = {}
    with suppress(OSError), open(_ledger(lease), encoding="utf-8", errors="surrogateescape") as file:
        if os.fstat(file.fileno()).st_uid != os.geteuid():
            return []
        for line in file:
            kind, *fields = line.rstrip("\n").split("\t")
            if not line.endswith("\n") or len(fields) != 2:
                continue
            key = (fields[0], fields[1])
            if kind == "owed":
                found[key] = None
            elif kind == "paid":
                found.pop(key, None)
    return list(found)


def settle(lease: str, still: list[tuple[str, str]]) -> None:
    """Keep only what is still owed; nobody else writes now. Raises OSError."""
    path = _ledger(lease)
    if not still:
        with suppress(FileNotFoundError):
            os.unlink(path)
        return
    beside = f"{path}.new"
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
        file.writelines(f"owed\t{instance}\t{address}\n" for instance, address in still)
    os.rename(beside, path)


def _append(lease: str, line: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(_ledger(lease), flags, 0o600)
    try:
        os.write(fd, line.encode("utf-8", "surrogateescape"))
    finally:
        os.close(fd)


def _ledger(lease: str) -> str:
    return os.path.join(os.path.dirname(lease), LEDGER)
