"""What is shown once, as it is now."""

from starlette.requests import Request
from starlette.responses import Response

from trio_supervisor.control.api import Control
from trio_supervisor.control.exposition import OPENMETRICS, PLAIN
from trio_supervisor.control.insights import Role
from trio_supervisor.control.server.answers import json_answer
from trio_supervisor.control.server.asked import body_of, query_of, while_connected
from trio_supervisor.control.wire import forms, insights, requests
from trio_supervisor.errors import RequestError


class Views:
    """Shows a tree: each method answers the path of its name."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def agents(self, request: Request) -> Response:
        fields = query_of(request, requests.AGENTS)
        with_usage = fields.truth("usage", default=False)
        found = await self._control.measured() if with_usage else self._control.snapshot()
        return json_answer(forms.overview_form(found, self._control.warnings()))

    async def agent(self, request: Request) -> Response:
        return json_answer(forms.snapshot_form(self._control.agent(request.path_params["agent"])))

    async def explain(self, request: Request) -> Response:
        return json_answer(insights.explanation_form(self._control.explain(request.path_params["agent"])))

    async def probe(self, request: Request) -> Response:
        fields = await body_of(request, requests.PROBE)
        words = [each.value for each in Role]
        role = Role(fields.choice("probe", words)) if fields.has("probe") else None
        found = await while_connected(request, self._control.probe(request.path_params["agent"], role))
        return Response(status_code=499) if found is None else json_answer(insights.all_probed_form(found))

    async def tree(self, _request: Request) -> Response:
        return json_answer(insights.nodes_form(self._control.tree()))

    async def metrics(self, request: Request) -> Response:
        # Whoever asks for OpenMetrics at all prefers it (Prometheus does).
        openmetrics = "application/openmetrics-text" in request.headers.get("accept", "")
        text = await self._control.metrics(openmetrics=openmetrics)
        return Response(text, headers={"content-type": OPENMETRICS if openmetrics else PLAIN})

    async def journal(self, request: Request) -> Response:
        fields = query_of(request, requests.JOURNAL)
        agent = fields.text("agent", "", longest=None)
        tail = fields.maybe_number("tail")
        if tail is not None and tail > requests.MOST_ENTRIES:
            raise RequestError(f"tail must be at most {requests.MOST_ENTRIES}, not {tail}")
        since = fields.at("since") or 0.0
        found = await self._control.journal(fields.number("after", 0), since=since, agent=agent, tail=tail)
        return json_answer(forms.journal_form(found))

    async def plan(self, request: Request) -> Response:
        fields = await body_of(request, requests.PLAN)
        return json_answer(forms.plan_form(await self._control.plan(file=fields.maybe_text("file"))))
