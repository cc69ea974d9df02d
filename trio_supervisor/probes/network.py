"""The way to a target: whether it is this machine, what its name stands for, and why it could not be reached."""

import errno
import ipaddress
import os
import socket
import ssl
from typing import TypeAlias

import trio

from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Target

SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
Place: TypeAlias = tuple[socket.AddressFamily, SocketAddress]

_NAME_LOOKUPS = 10
_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter | None] = trio.lowlevel.RunVar("name lookups of probes", None)

_OUR_OWN_LACK = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_REASONS = {
    errno.ECONNREFUSED: "connection refused on {where}",
    errno.ECONNRESET: "connection reset by {where}",
    errno.EPIPE: "connection closed by {where}",
    errno.EHOSTUNREACH: "no route to {where}",
    errno.ENETUNREACH: "no route to {where}",
}


def at(host: str, port: int) -> str:
    """Return `host:port` as it stands in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_this_machine(host: str) -> bool:
    """Whether `host` certainly names this machine: a loopback or local address, localhost, or its own name.

    Other names are not looked up: the name server may hang.
    """
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761, 6.3
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == socket.gethostname().lower()
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    address = mapped or address
    return address.is_loopback or address.is_unspecified or _can_be_bound(address)


def _can_be_bound(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((str(address), 0))
    except OSError:
        return False
    return True


def owned_port(host: str, port: int, target: Target) -> int | None:
    """The port whose owner must be the child when `host:port` is asked; None if that says nothing of the child."""
    return port if port == target.port and is_this_machine(host) else None


async def resolve(host: str, port: int) -> list[Place]:
    """Find out what a name stands for, in the order to try; a thread does it, from a small number of our own.

    Raises:
        OSError: the name is unknown, or no name server answers.
    """
    limiter = _limiter.get()
    if limiter is None:
        limiter = trio.CapacityLimiter(_NAME_LOOKUPS)
        _limiter.set(limiter)
    # A lookup that hangs can't be stopped, only left behind: it must not keep the threads that files and others use.
    return await trio.to_thread.run_sync(_look_up, host, port, 0, limiter=limiter, abandon_on_cancel=True)


async def connect(places: list[Place]) -> trio.socket.SocketType:
    """A connection to the first place that takes one; raises the OSError of the last."""
    failure = OSError(errno.EADDRNOTAVAIL, "no address")
    for family, address in places:
        sock = trio.socket.socket(family, trio.socket.SOCK_STREAM)
        try:
            await sock.connect(address)
            if sock.getsockname()[:2] == address[:2]:
                # Nobody listens: the kernel picked that port for our end too, and joined the socket with itself.
                raise ConnectionRefusedError(errno.ECONNREFUSED, "connected with itself")
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


def literal(host: str, port: int) -> list[Place]:
    """The place that an address in figures stands for; none if `host` is a name."""
    try:
        return _look_up(host, port, socket.AI_NUMERICHOST)
    except OSError:
        return []


def _look_up(host: str, port: int, flags: int) -> list[Place]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "not a possible name") from error
    return [(family, (address[0], *address[1:])) for family, _, _, _, address in found]


def why(error: OSError, where: str) -> str:
    """Say in words why `where` could not be reached.

    Raises:
        ProbeError: this program lacks something (descriptors, memory), which says nothing of the target.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {where} is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with {where}: {(error.reason or str(error)).replace('_', ' ').lower()}"
    if isinstance(error, socket.gaierror):
        return f"the host of {where} can't be found: {error.strerror}"
    if error.errno in _OUR_OWN_LACK:
        raise ProbeError(f"{where} could not be asked: {os.strerror(error.errno)}") from error
    if error.errno in _REASONS:
        return _REASONS[error.errno].format(where=where)
    return f"{where}: {os.strerror(error.errno).lower() if error.errno else error}"
