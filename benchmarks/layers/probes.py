"""What probes cost: HTTP questions a second, and the share of a core that a fleet of probed agents takes.

python benchmarks/layers/probes.py             # everything
python benchmarks/layers/probes.py questions   # one question after the other, by kind of client
python benchmarks/layers/probes.py fleet       # agents that are probed each second, through prober, engine and core

The servers run in processes of their own; what is measured is the CPU time of the asking process alone.
"""

import multiprocessing
import random
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.process import BaseProcess

import trio

from trio_supervisor.core.facts import Fact, ProbeAnswered
from trio_supervisor.core.state import State
from trio_supervisor.engine.lanes import current_lanes
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.engine.world import World
from trio_supervisor.plugins import open_probe
from trio_supervisor.probes.base import Target
from trio_supervisor.spec import ChildSpec, Health, Http, ProcessSpec, SupervisorSpec, Tcp
from trio_supervisor.testing import ScriptedWorld

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"ok"}'
QUESTIONS = 2000
SECONDS = 10.0


def serve(listening: socket.socket) -> None:
    """Answer every request, for ever: one task for each connection."""

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            async for data in stream:
                if b"\r\n\r\n" not in data:
                    return
                await stream.send_all(ANSWER)
                if b"close" in data:
                    return

    async def main() -> None:
        await trio.serve_listeners(answer, [trio.SocketListener(trio.socket.from_stdlib_socket(listening))])

    try:
        trio.run(main)
    except BaseExceptionGroup:
        sys.exit(1)


def servers(count: int) -> tuple[list[BaseProcess], list[int]]:
    """So many sockets that are answered: (processes, ports)."""
    started: list[BaseProcess] = []
    ports: list[int] = []
    for _ in range(count):
        listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        ports.append(listening.getsockname()[1])
        process = multiprocessing.get_context("fork").Process(target=serve, args=(listening,), daemon=True)
        process.start()
        started.append(process)
        listening.close()
    return started, ports


async def ask_in_turn(check: Http | Tcp, port: int) -> tuple[float, float]:
    """(questions a second, microseconds of CPU for each)."""
    async with open_probe(check, Target("a", port, None), 5.0) as probe:
        assert (await probe.ask()).ok
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(QUESTIONS):
            answer = await probe.ask()
            assert answer.ok, answer.detail
    wall, used = time.perf_counter() - start, time.process_time() - cpu
    return QUESTIONS / wall, used / QUESTIONS * 1e6


async def ask_fleet(agents: int, ports: list[int], check: Callable[[int], Http | Tcp]) -> tuple[float, float, int]:
    """Probe so many agents each second: (answers a second, share of a core, most questions at a time)."""
    scripted = ScriptedWorld()
    answers = 0

    world = World(
        runtime=scripted.world.runtime,
        probe=open_probe,
        sink=scripted.world.sink,
        room=trio.lowlevel.checkpoint,
        draw=random.random,
        request=scripted.world.request,
    )
    children = tuple(
        ChildSpec(
            f"agent-{number}",
            ProcessSpec(("x",)),
            health=Health(check(ports[number % len(ports)]), period=1.0, timeout=5.0, failures=3),
        )
        for number in range(agents)
    )
    supervisor = Supervisor(SupervisorSpec(children, max_parallel_starts=agents), world)
    take = supervisor.post

    def post(fact: Fact) -> None:
        nonlocal answers
        answers += isinstance(fact, ProbeAnswered)
        take(fact)

    supervisor.post = post  # type: ignore[method-assign]
    async with supervisor.open():
        await trio.sleep(3)
        answers, start, cpu = 0, time.perf_counter(), time.process_time()
        await trio.sleep(SECONDS)
        wall, used = time.perf_counter() - start, time.process_time() - cpu
        failed = [name for name, child in supervisor.children.items() if child.state is not State.READY]
        assert not failed, f"{len(failed)} agents are not ready any more"
        counted_answers, most = answers, current_lanes().quick.most
    return counted_answers / wall, used / wall, most


def questions(port: int) -> None:
    """One question after the other."""
    kept = Http("/health", headers={"Connection": "keep-alive"})
    for name, check in (("http", Http("/health")), ("http, connection kept", kept), ("tcp", Tcp("{port}"))):
        rate, cost = trio.run(partial(ask_in_turn, check, port))
        sys.stdout.write(f"{name:24} {rate:8.0f} questions/s {cost:6.0f} us of CPU each\n")


def fleet(ports: list[int]) -> None:
    """Agents that are asked each second."""
    for agents in (200, 1000):
        for name, check in (
            ("http", lambda port: Http(f"http://127.0.0.1:{port}/health")),
            ("tcp", lambda port: Tcp(str(port))),
        ):
            rate, share, most = trio.run(partial(ask_fleet, agents, ports, check))
            sys.stdout.write(
                f"{agents:5} agents by {name:5} {rate:6.0f} answers/s  {share:6.1%} of a core, {most} at a time\n"
            )


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) > 1 else "all"
    started, ports = servers(2)
    try:
        if wanted in ("all", "questions"):
            questions(ports[0])
        if wanted in ("all", "fleet"):
            fleet(ports)
    finally:
        for process in started:
            process.terminate()


if __name__ == "__main__":
    main()
