"""Sends the HTTP request of a stop: not a question, but by the same client."""

from contextlib import closing

from trio_supervisor.errors import ProbeError, SpecError, StepError
from trio_supervisor.probes.base import Target
from trio_supervisor.probes.http import url_of
from trio_supervisor.probes.http_client import HttpClient, NoReplyError, question
from trio_supervisor.spec import Http, HttpStep

MAX_BODY = 64 * 1024
"""In bytes: so much of an answer is waited for."""


async def send(step: HttpStep, child: str, port: int | None) -> None:
    """Send the request once; without a timeout. A server that ends before its answer does has taken it.

    Raises:
        StepError: it can't be sent, or the status of the answer is not within 200 to 299.
    """
    try:
        url = url_of(Http(step.http, method=step.method), Target(child, port, None))
        asked = question(url, step.method.upper())
        with closing(HttpClient()) as client:
            reply = await client.ask(asked, MAX_BODY)
    except NoReplyError as error:
        if error.sent:
            return
        raise StepError(str(error)) from error
    except (ProbeError, SpecError) as error:
        raise StepError(str(error)) from error
    if not 200 <= reply.status < 300:
        raise StepError(f"HTTP {reply.status}, expected 200-299")
