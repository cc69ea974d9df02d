"""What Prometheus reads: judged by the parsers of its own client library."""

import math
import time
from collections.abc import Iterable, Mapping

import prometheus_client.openmetrics.parser as openmetrics
import prometheus_client.parser as plain
import pytest
import trio
import trio.lowlevel
from prometheus_client.metrics_core import Metric

from tests.control.test_insights import good, until
from tests.control.trees import PATIENCE, crash, forever, in_thread, open_control, reached, serving, some
from trio_supervisor import Call, Health, LogFile, process, task
from trio_supervisor.control.api import State
from trio_supervisor.control.client import Client
from trio_supervisor.control.exposition import Exposition
from trio_supervisor.control.places import _SocketConnection
from trio_supervisor.engine.tally import BOUNDS, Tally
from trio_supervisor.output.hub import Hub
from trio_supervisor.runtimes.base import Stream


def parsed(text: bytes, *, is_openmetrics: bool = False) -> dict[str, Metric]:
    """The families by name. The parser of OpenMetrics is strict: it refuses what the standard does."""
    parse = openmetrics.text_string_to_metric_families if is_openmetrics else plain.text_string_to_metric_families
    return {family.name: family for family in parse(text.decode())}


def values(family: Metric, name: str = "", **labels: str) -> list[float]:
    wanted = name or family.name
    return [
        sample.value for sample in family.samples if sample.name == wanted and labels.items() <= sample.labels.items()
    ]


@pytest.mark.parametrize("is_openmetrics", [False, True])
async def test_all_figures_in_both_formats(is_openmetrics: bool) -> None:
    probed = task("probed", forever, health=Health(Call(good), period=0.02))
    said = process("said", ["sh", "-c", "echo hello; exec sleep 60"])
    crashes = task("crashes", crash, intensity=(2, 60))
    async with open_control(*some(), probed, said, crashes) as local, reached("far", local) as control:
        await until(lambda: local.agent("crashes").state is State.HELD)
        await until(lambda: "good" in str(local.explain("probed").standing))
        with trio.fail_after(PATIENCE):
            while not await control.logs("said"):
                await trio.sleep(0.01)
        await local.restart("a")
        found = parsed(await control.call("metrics", openmetrics=is_openmetrics), is_openmetrics=is_openmetrics)

    ours = {name.removeprefix("trio_supervisor_"): family for name, family in found.items()}
    state = ours["agent_state"]
    assert values(state, agent="crashes", state="held") == [1]
    assert sum(values(state, agent="crashes")) == 1
    assert len(values(state, agent="crashes")) == len(State) - 1
    assert values(ours["agents"], state="ready") == [6]
    restarts = ours["agent_restarts"]
    assert values(restarts, "trio_supervisor_agent_restarts_total", agent="crashes", reason="raised") == [2]
    assert values(restarts, "trio_supervisor_agent_restarts_total", agent="a") == [1]
    assert values(ours["agent_starts"], "trio_supervisor_agent_starts_total", agent="a") == [2]
    assert values(ours["agent_consecutive_failures"], agent="crashes") == [2]
    ready = ours["agent_time_to_ready_seconds"]
    assert values(ready, "trio_supervisor_agent_time_to_ready_seconds_count", agent="a") == [2]
    assert values(ready, "trio_supervisor_agent_time_to_ready_seconds_sum", agent="a")[0] >= 0
    probes = ours["probe_duration_seconds"]
    assert probes.type == "histogram"
    (count,) = values(probes, "trio_supervisor_probe_duration_seconds_count", agent="probed", probe="health")
    buckets = values(probes, "trio_supervisor_probe_duration_seconds_bucket", agent="probed")
    assert buckets == sorted(buckets)
    assert (len(buckets), buckets[-1]) == (len(BOUNDS) + 1, count)
    assert count >= 1
    assert values(ours["agent_output_bytes"], "trio_supervisor_agent_output_bytes_total", agent="said") == [6]
    assert values(ours["agent_memory_bytes"], agent="said")[0] > 0
    assert values(ours["agent_cpu_seconds"], "trio_supervisor_agent_cpu_seconds_total", agent="said")[0] >= 0
    assert 0 <= values(ours["event_loop_lag_seconds"])[0] < PATIENCE
    assert values(found["process_resident_memory_bytes"])[0] > 1e6
    assert all(family.documentation.endswith(".") for family in found.values())


async def test_who_is_gone_has_no_series_any_more() -> None:
    async with open_control(*some()) as local:
        await local.remove("team")
        await local.remove("a")
        found = parsed(await local.metrics())
    agents = {sample.labels["agent"] for each in found.values() for sample in each.samples if "agent" in sample.labels}
    assert agents == {"b"}


async def test_the_format_is_chosen_by_the_accept_header() -> None:
    async with open_control(*some()) as local, serving(local) as path:

        def ask(accept: str) -> tuple[str, bytes]:
            connection = _SocketConnection(str(path), PATIENCE)
            try:
                connection.request("GET", "/metrics", headers={"Accept": accept})
                response = connection.getresponse()
                return response.headers["content-type"], response.read()
            finally:
                connection.close()

        kind, text = await in_thread(ask, "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2")
        assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert text.endswith(b"# EOF\n")
        for accept in ("*/*", "text/plain"):
            kind, text = await in_thread(ask, accept)
            assert kind == "text/plain; version=0.0.4; charset=utf-8"
            assert b"# EOF" not in text
        assert (await in_thread(Client(path).metrics)).startswith(b"# HELP trio_supervisor_agents ")


async def test_the_lag_of_the_loop_is_seen() -> None:
    async def blocks() -> None:
        while True:
            time.sleep(0.06)  # noqa: ASYNC251 -- that is the fault
            await trio.lowlevel.checkpoint()

    async with open_control(task("a", blocks)) as local:
        found = parsed(await local.metrics())
    assert values(found["trio_supervisor_event_loop_lag_seconds"])[0] > 0.03


@pytest.mark.parametrize("is_openmetrics", [False, True])
def test_whatever_a_label_holds_is_read_back(is_openmetrics: bool) -> None:
    odd = 'a"b\\c\nd\\n é'
    out = Exposition(openmetrics=is_openmetrics)
    samples: Iterable[tuple[Mapping[str, str], float]] = [({"label": odd, "other": ""}, math.inf), ({}, 3)]
    out.gauge("x", 'Help with "quotes", a \\ and\nanother line.', samples)
    out.counter("y", "How many.", [({"a": "1"}, 2.5)])
    out.histogram("z", "How long.", (0.1, 1.0), [({}, [1, 0, 2], 5.5)])
    found = parsed(out.text(), is_openmetrics=is_openmetrics)
    assert [(sample.labels, sample.value) for sample in found["x"].samples] == [
        ({"label": odd, "other": ""}, math.inf),
        ({}, 3),
    ]
    assert found["x"].documentation == 'Help with "quotes", a \\ and\nanother line.'
    assert found["y"].type == "counter"
    assert values(found["z"], "z_bucket") == [1, 1, 3]
    assert values(found["z"], "z_sum") == [5.5]


def test_numbers_that_are_none() -> None:
    out = Exposition(openmetrics=False)
    out.gauge("x", "Odd.", [({"n": "nan"}, math.nan), ({"n": "-inf"}, -math.inf)])
    assert out.text().splitlines()[2:] == [b'x{n="nan"} NaN', b'x{n="-inf"} -Inf']


def test_a_tally_counts_each_answer_in_the_bucket_that_ends_with_it() -> None:
    tally = Tally()
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] + 1e-9, 11.0):
        tally.note(seconds, seconds > 0)
    assert (tally.buckets[0], tally.buckets[1], tally.buckets[-1], tally.failed) == (2, 1, 1, 1)


async def test_what_could_not_be_written_is_counted() -> None:
    hub = Hub()
    take = hub.sink("a", 1, (LogFile(file="/proc/nowhere/x.log"),))
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        take(Stream.STDOUT, b"lost\n")
        await until(lambda: hub.lost("a") > 0)
        assert hub.lost("nobody") == 0
        await hub.aclose(1.0)
        nursery.cancel_scope.cancel()
