"""What is answered once and for all: JSON, an operation, a refusal."""

from starlette.responses import Response

from trio_supervisor.control.api import Operation, Phase
from trio_supervisor.control.wire import forms
from trio_supervisor.control.wire.problems import Problem


def told(operation: Operation) -> Response:
    """A command; 202: it is under way."""
    return json_answer(forms.operation_form(operation), 202 if operation.phase is Phase.PENDING else 200)


def json_answer(form: forms.Form, status: int = 200) -> Response:
    """A form as JSON."""
    return Response(forms.dumps(form), status, media_type="application/json")


def refused(problem: Problem) -> Response:
    """Why nothing is done; 429: when to come again."""
    response = json_answer(problem.form, problem.status)
    if problem.status == 429:
        response.headers["retry-after"] = "1"
    return response
