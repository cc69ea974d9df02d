"""What URL a probe asks: a path on the child's port, a path of a remote child, or a whole URL as it is written."""

from collections.abc import Mapping

from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Target
from trio_supervisor.probes.http_messages import Question, question
from trio_supervisor.probes.network import at
from trio_supervisor.spec import as_web, expand


def web_url(kind: str, text: str, host: str, target: Target) -> str:
    """The URL over HTTP; raises ProbeError if it needs the child's port, and the child has none."""
    elsewhere = target.address
    needs_port = "{port}" in text or (text.startswith("/") and elsewhere is None)
    if target.port is None and needs_port:
        raise ProbeError(f"{kind} {text!r} needs a port, and the child has none")
    url = expand(text, target.child, target.port)
    if not url.startswith("/"):
        return as_web(url)
    return as_web(elsewhere.of(url)) if elsewhere is not None else f"http://{at(host, target.port or 0)}{url}"


def web_question(
    url: str, target: Target, headers: Mapping[str, str], method: str = "GET", body: bytes = b""
) -> Question:
    """What is asked there: with the headers that go along to a remote child, of which the probe's own win."""
    along = {} if target.address is None else target.address.headers_for(url)
    # Names are equal whatever their case (RFC 9110, 5.1).
    merged = {name.lower(): value for name, value in along.items()} | {
        name.lower(): expand(value, target.child, target.port) for name, value in headers.items()
    }
    return question(url, method, merged, body)
