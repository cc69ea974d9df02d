"""Places where a supervisor takes commands, as a client reaches them: its socket, or a URL with a token."""

import http.client
import socket
from abc import abstractmethod
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from trio_supervisor.errors import RequestError

LOST_AFTER = 60
"""So many seconds without a sign of life, and a connection over TCP is taken for lost."""


class Place:
    """Where a supervisor is reached; `str` is for people."""

    headers: Mapping[str, str] = {}
    """What is sent with each request."""
    host = "localhost"

    @abstractmethod
    def connection(self, timeout: float | None) -> http.client.HTTPConnection:
        """A new one, not connected yet; `timeout` in seconds."""


class SocketPlace(Place):
    """Its unix socket."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __str__(self) -> str:
        return self._path

    def connection(self, timeout: float | None) -> http.client.HTTPConnection:
        """To the socket."""
        return _SocketConnection(self._path, timeout)


def check_url(url: str) -> SplitResult:
    """The parts of a URL. Raises RequestError: it is none that a supervisor can have."""
    try:
        found = urlsplit(url)
        _ = found.port
    except ValueError:
        raise RequestError(f"--url: {url!r} is no URL") from None
    if found.scheme not in ("http", "https") or not found.hostname or found.path.strip("/") or found.query:
        raise RequestError(f"--url must be http://HOST:PORT or https://HOST:PORT, not {url!r}")
    if found.username is not None:
        raise RequestError("--url: no name and no password belong there; the token is given by --token-file")
    return found


class UrlPlace(Place):
    """A URL, http or https, with a token."""

    def __init__(self, url: str, token: str) -> None:
        """Raises RequestError: it is none that a supervisor can have."""
        found = check_url(url)
        assert found.hostname is not None
        self._url = url
        self._secure = found.scheme == "https"
        self._address = found.hostname, found.port
        self.host = found.netloc
        self.headers = {"Authorization": f"Bearer {token}"}

    def __str__(self) -> str:
        return self._url

    def connection(self, timeout: float | None) -> http.client.HTTPConnection:
        """To the host."""
        kind = _SecureConnection if self._secure else _TcpConnection
        return kind(*self._address, timeout=timeout)


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """To the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._path)
        except BaseException:
            self.sock.close()
            raise


class _TcpConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        """To the host; who follows notices when it is gone without a word."""
        super().connect()
        _keep_alive(self.sock)


class _SecureConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        """The same, encrypted."""
        super().connect()
        _keep_alive(self.sock)


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, LOST_AFTER // 2)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, LOST_AFTER // 6)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LOST_AFTER * 1000)
