"""A child that lives elsewhere: where it is, and what is sent along with each question to it."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from attrs import Factory, frozen

from trio_supervisor.errors import SpecError
from trio_supervisor.record import record, unseen
from trio_supervisor.spec.checks import check_headers, check_url
from trio_supervisor.spec.process import Secret


@frozen
class SecretHeader:
    """The value of a header that is looked up when the watching begins, and never shown."""

    secret: Secret
    prefix: str = ""
    """What stands before it: "Bearer "."""

    def __attrs_post_init__(self) -> None:
        check_headers({"x": self.prefix}, "remote")


@frozen
class RemoteSpec:
    """A child that somebody else runs: to start it is to begin to watch it, to stop it is to end that."""

    remote: str
    """Its URL: http, https, ws or wss. The paths of its probes begin here."""
    headers: Mapping[str, str | SecretHeader] = Factory(dict)
    """Sent with each question that is put to this URL, or to another one of the same host and port."""

    def __attrs_post_init__(self) -> None:
        parts = _parts(self.remote)
        if "@" in parts[1]:
            raise SpecError("remote: no name or password in the URL: write a header, whose value can be a secret")
        if "?" in self.remote or "#" in self.remote:
            raise SpecError(f"remote {self.remote!r}: can't have a query or a fragment, as paths are added to it")
        check_headers({name: value for name, value in self.headers.items() if isinstance(value, str)}, "remote")
        check_headers(dict.fromkeys(self.headers, ""), "remote")


def _parts(url: str) -> tuple[str, str]:
    """Scheme and authority."""
    scheme = url.partition("://")[0]
    if scheme not in ("http", "https", "ws", "wss") or "{port}" in url:
        raise SpecError(f"remote {url!r}: must be a URL of http://, https://, ws:// or wss://")
    web = as_web(url)
    check_url(web, "remote")
    return scheme, urlsplit(web).netloc


def as_web(url: str) -> str:
    """The URL of the same place for HTTP."""
    return "http" + url.removeprefix("ws") if url.startswith("ws") else url


def as_socket(url: str) -> str:
    """The URL of the same place for WebSockets."""
    return "ws" + url.removeprefix("http") if url.startswith("http") else url


@record
class Address:
    """Where a remote child is, with what is sent along as it is now."""

    url: str
    headers: Mapping[str, str] = unseen(default={})

    def of(self, path: str) -> str:
        """The URL of a path of it."""
        return self.url.rstrip("/") + path

    def headers_for(self, url: str) -> Mapping[str, str]:
        """What is sent along to a URL; nothing to a stranger."""
        return self.headers if _origin(url) == _origin(self.url) else {}


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(as_web(url))
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
