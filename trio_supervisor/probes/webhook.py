"""Posts the event of a hook: not a question, but by the same client."""

from collections.abc import Mapping
from contextlib import closing

import trio

from trio_supervisor.errors import HookError, ProbeError
from trio_supervisor.probes.http_client import HttpClient, NoReplyError, question
from trio_supervisor.probes.http_messages import Reply

MAX_BODY = 64 * 1024
"""In bytes: so much of an answer is waited for."""
LONGEST_PAUSE = 60.0
"""Seconds; a server may ask for one (Retry-After, RFC 9110, 10.2.3)."""
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


async def post(url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> None:
    """Send it once.

    Raises:
        HookError: it can't be sent, or is not taken; says whether it may help to try again, and when.
    """
    try:
        asked = question(url, "POST", {"content-type": "application/json", **headers}, body)
    except ProbeError:
        # The URL may be a secret.
        raise HookError("the URL or a header of it is none that can be sent") from None
    try:
        with trio.fail_after(timeout), closing(HttpClient()) as client:
            reply = await client.ask(asked, MAX_BODY)
    except trio.TooSlowError as error:
        raise HookError(f"no answer of {asked.where} within {timeout:g} s", again=True) from error
    except NoReplyError as error:
        raise HookError(str(error), again=True) from error
    except ProbeError as error:
        raise HookError(str(error)) from error
    if not 200 <= reply.status < 300:
        message = f"{asked.where} answered HTTP {reply.status}, expected 200-299"
        raise HookError(message, again=reply.status in _AGAIN, pause=_wanted_pause(reply))


def _wanted_pause(reply: Reply) -> float:
    wanted = reply.headers.get("retry-after", "")
    return min(float(wanted), LONGEST_PAUSE) if wanted.isascii() and wanted.isdecimal() else 0.0
