"""The HTTP client of the probes: h11 for plain HTTP, httpx where there is TLS; the second is imported when needed."""

from importlib import import_module
from typing import Protocol

from trio_supervisor.probes.http_messages import NoReplyError, Question, Reply, question

__all__ = ["HttpClient", "NoReplyError", "Question", "Reply", "question"]


class _Client(Protocol):
    def close(self) -> None: ...

    async def ask(self, asked: Question, limit_bytes: int) -> Reply: ...


class HttpClient:
    """Asks one target, one question at a time, over a connection that may be kept alive until `close()`."""

    def __init__(self) -> None:
        self._client: _Client | None = None

    def close(self) -> None:
        """Close the connection at once; the next question opens a new one."""
        if self._client is not None:
            self._client.close()

    async def ask(self, asked: Question, limit_bytes: int) -> Reply:
        """Send a question and read at most `limit_bytes` of the body. Follows no redirects; has no timeout: cancel it.

        Raises:
            NoReplyError: nothing came that is a reply in HTTP.
            ProbeError: this program lacks something to ask with.
        """
        if self._client is None:
            self._client = _make(tls=asked.tls)
        return await self._client.ask(asked, limit_bytes)


def _make(*, tls: bool) -> _Client:
    module, name = ("https_client", "HttpsClient") if tls else ("plain_client", "PlainClient")
    made: _Client = getattr(import_module(f"trio_supervisor.probes.{module}"), name)()
    return made
