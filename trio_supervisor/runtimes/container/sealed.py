"""What is said to a container over TLS: bytes of a descriptor, sealed and sent, and their end without that of the rest.

Whoever writes to a life writes to a descriptor; of a connection with TLS that must not be the socket itself.
"""

import socket
import ssl
from contextlib import suppress
from typing import Protocol

import trio

_CHUNK = 64 * 1024


def broke_off(error: Exception) -> bool:
    """Whether a connection is at fault, and not we."""
    return isinstance(error, OSError) or type(error).__module__ in ("httpx", "httpcore")


class Network(Protocol):
    """A connection of httpcore (`AsyncNetworkStream`)."""

    async def read(self, max_bytes: int) -> bytes:
        """Wait for what comes; b"" is the end."""

    async def write(self, buffer: bytes) -> None:
        """Send."""

    def get_extra_info(self, info: str) -> object:
        """What is beneath it."""


class SealedInput:
    """Sends what is written to its descriptor, in a task of its own, until that is closed by all who have it."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._ours, self._theirs = socket.socketpair()
        self._theirs.setblocking(False)
        self._sending = trio.CancelScope()
        self._reading: trio.CancelScope | None = None
        trio.lowlevel.spawn_system_task(self._send, name="trio_supervisor container input")

    def descriptor(self) -> int:
        """A descriptor, once: of its own."""
        return self._theirs.detach()

    def close(self) -> None:
        """Send nothing more."""
        self._sending.cancel()

    async def receive(self, size: int) -> bytes:
        """What comes over the same connection; b"" is the end."""
        while True:
            with trio.CancelScope() as self._reading:
                return await self._network.read(size)

    async def _send(self) -> None:
        ours = trio.socket.from_stdlib_socket(self._ours)
        try:
            with self._sending, ours:
                while data := await ours.recv(_CHUNK):
                    await self._network.write(data)
                self._end()
        except Exception as error:
            # A connection that breaks off is noticed by who hears it.
            if not broke_off(error):
                raise

    def _end(self) -> None:
        """Tell that nothing more is sent (close_notify, RFC 8446 6.1); what comes is read further."""
        sealed = self._network.get_extra_info("ssl_object")
        assert isinstance(sealed, ssl.SSLObject)
        with suppress(ssl.SSLWantReadError):
            sealed.unwrap()
        # It is sent as soon as somebody reads anew.
        if self._reading is not None:
            self._reading.cancel()
