"""Where a container engine listens: as it is written, or where engines are used to listen."""

import os
import socket
import struct
from collections.abc import Mapping

from trio_supervisor.errors import StartError
from trio_supervisor.system.engine_tls import with_tls

_USUAL = ("/var/run/docker.sock", "{runtime}/docker.sock", "{runtime}/podman/podman.sock", "/run/podman/podman.sock")
_CONNECT = 1.0
_VARIABLES = ("DOCKER_HOST", "CONTAINER_HOST")


class NoEngineError(StartError):
    """No engine listens where engines usually do."""


def engine_address(written: str | None, environ: Mapping[str, str]) -> str:
    """`unix:///path` or `tcp://host:port`: what is written, else $DOCKER_HOST or $CONTAINER_HOST, else a usual socket.
    One over TCP has TLS where the variables of docker(1) say so (see `trio_supervisor.system.engine_tls`).

    Raises:
        NoEngineError: none is found.
        StartError: the variable names something else.
    """
    address = _plain_address(written, environ)
    verified = environ.get("DOCKER_TLS_VERIFY")
    if not address.startswith("tcp://") or not (verified or environ.get("DOCKER_TLS")):
        return address
    directory = environ.get("DOCKER_CERT_PATH") or os.path.expanduser("~/.docker")
    return with_tls(address, directory, verified=bool(verified))


def _plain_address(written: str | None, environ: Mapping[str, str]) -> str:
    if written is not None:
        return written
    for name in _VARIABLES:
        if value := environ.get(name):
            if not value.startswith(("unix:///", "tcp://")):
                raise StartError(f"${name} is {value!r}: only unix:///path and tcp://host:port are supported")
            return value
    paths = [path.format(runtime=environ.get("XDG_RUNTIME_DIR") or "/nowhere") for path in _USUAL]
    for path in paths:
        if os.path.exists(path):
            return f"unix://{path}"
    raise NoEngineError(
        "no container engine found: start one (docker, or `podman system service`), or name its socket by "
        "$DOCKER_HOST or `container: {engine: unix:///path}`"
    )


def remedy(written: str | None, environ: Mapping[str, str]) -> str:
    """What to do about an engine that does not answer where `engine_address` has found it."""
    variable = next((f"${name}" for name in _VARIABLES if environ.get(name)), "")
    wrong = "`container: {engine: ...}`" if written is not None else variable
    return "start that engine" + (f", or correct {wrong}" if wrong else "")


def trouble(written: str | None, environ: Mapping[str, str]) -> str:
    """Why an engine does not answer just now, and what to do; empty: it does, or is elsewhere. Blocks for a moment."""
    try:
        address = engine_address(written, environ)
    except StartError as error:
        return str(error)
    if not is_local(address):
        return ""
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(_CONNECT)
            asking.connect(address.removeprefix("unix://"))
    except OSError as error:
        return f"{address}: no engine answers: {error.strerror or error}; {remedy(written, environ)}"
    return ""


def is_local(address: str) -> bool:
    """Whether the processes of this engine's containers can be processes of this machine."""
    return address.startswith("unix://")


def shares_files(address: str) -> bool:
    """Whether the files of an engine's machine are known to be those that are seen here. Blocks for a moment.

    Its socket may have been mounted here: then who listens there (SO_PEERCRED, unix(7)) is a process of elsewhere.
    """
    if not is_local(address):
        return False
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(_CONNECT)
            asking.connect(address.removeprefix("unix://"))
            pid, _, _ = struct.unpack("iii", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return pid > 0 and os.path.samefile(f"/proc/{pid}/root", "/")
    except PermissionError:
        # Of another user's process that is not shown; root is not shown it where it is confined itself.
        return os.geteuid() != 0
    except OSError:
        return False
