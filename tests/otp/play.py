"""Plays a scenario of scenarios.json against the real engine, through the public API, and returns its trace.

`play(scenario)` takes any scenario of the schema; only the step `upgrade` is not there. It runs in virtual time, on its
own.
"""

import contextlib
import math
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import trio
from attrs import define, field
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.otp.otp_terms import (
    Json,
    exit_by_itself,
    failed_to_start,
    flags_error,
    reason_of,
    spec_error,
    specs_error,
    term,
)
from tests.otp.players import Cast, PlanSpec
from trio_supervisor import (
    Answer,
    CallError,
    ChildSpec,
    ChildStartError,
    Context,
    How,
    LifeEnded,
    Report,
    RestartLimitReached,
    Row,
    State,
    StateChanged,
    Supervisor,
    SupervisorSpec,
    Tree,
    child,
    supervisor_spec,
)
from trio_supervisor.core.facts import Exited
from trio_supervisor.core.notices import Notice
from trio_supervisor.engine.supervisor import Supervisor as Engine
from trio_supervisor.errors import UnknownAgentError

Trace = list[dict[str, Any]]
_MOVING = frozenset({State.WAITING, State.STARTING, State.RUNNING, State.STOPPING, State.BACKOFF})
PATIENCE = 10_000.0
"""Seconds of virtual time after which a scenario that does not come to rest is given up."""


def play(scenario: Json) -> Trace:
    """The trace of a scenario. Raises NotImplementedError for `upgrade`."""
    if any(step["op"] == "upgrade" for step in scenario.get("steps", ())):
        raise NotImplementedError("new specs at run time")
    return trio.run(Stage(scenario).perform, clock=MockClock(autojump_threshold=0))


@define
class Stage:
    """One performance of one scenario."""

    scenario: Json
    trace: Trace = field(factory=list)
    cast: Cast = field(init=False)
    tree: Supervisor = field(init=False)
    up: bool = False
    """Whether the top supervisor was started and is not down."""
    down_reason: str = "shutdown"
    settled: set[tuple[str, int]] = field(factory=set)
    """Ends of inner supervisors that are noted already: path and number."""
    ready: set[tuple[str, int]] = field(factory=set)
    """Inner supervisors that were started: path and generation."""
    moved: trio.Event = field(factory=trio.Event)
    stop_calls: dict[str, tuple[Json, trio.Event]] = field(factory=dict)
    """The path of an inner supervisor -> the step that waits for its stop, and the event of its answer."""

    def __attrs_post_init__(self) -> None:
        self.cast = Cast(self.note, self.dynamic)

    @property
    def dynamic(self) -> bool:
        """Whether it is Elixir's DynamicSupervisor."""
        return bool(self.scenario.get("kind") == "dynamic")

    @property
    def simple(self) -> bool:
        return bool(self.scenario.get("strategy") == "simple_one_for_one")

    def note(self, ev: str, **fields: object) -> None:
        self.trace.append({"ev": ev, **fields})
        self.moved.set()
        self.moved = trio.Event()

    def result(self, step: Json, value: object) -> None:
        name = step.get("id", step.get("child", {}).get("id"))
        self.note("result", op=step["op"], id=name, value=value)

    # The specs

    def refusal(self, flags: Json) -> str | None:
        """Why a supervisor with these flags and children does not even begin to start."""
        children = flags.get("children", ())
        if flags.get("init") == "bad":
            return "{bad_return,{sup_oracle,init,bad_value}}"
        if found := flags_error(flags):
            return found
        if flags.get("strategy") == "simple_one_for_one" and len(children) != 1:
            return f"{{bad_start_spec,[{','.join(term(each.get('id')) for each in children)}]}}"
        return None if flags.get("kind") == "dynamic" else specs_error(children, flags.get("auto_shutdown", "never"))

    def supervisor(self, flags: Json, path: str) -> SupervisorSpec:
        simple, dynamic = flags.get("strategy") == "simple_one_for_one", flags.get("kind") == "dynamic"
        children = [self.child(each, path, template=simple) for each in ([] if dynamic else flags.get("children", []))]
        return supervisor_spec(
            () if simple else children,
            profile="otp",
            strategy="simple_one_for_one" if dynamic else flags.get("strategy", "one_for_one"),
            intensity=(flags.get("intensity", 1), flags.get("period_ms", 5000) / 1000),
            auto_shutdown=flags.get("auto_shutdown", "never"),
            template=children[0] if simple else None,
            max_children=flags.get("max_children", math.inf),
        )

    def child(self, settings: Json, path: str, *, template: bool = False) -> ChildSpec:
        full = f"{path}/{settings['id']}" if path else settings["id"]
        self.cast.behaviour(full, settings)
        kind = settings.get("type", "supervisor" if "sup" in settings else "worker")
        shutdown = settings.get("shutdown", "infinity" if kind == "supervisor" else 5000)
        stop = {"brutal_kill": "kill", "infinity": "infinity"}.get(shutdown)
        return child(
            settings["id"],
            self.what_runs(settings, path, full, kind, template),
            restart=settings.get("restart", "permanent"),
            significant=settings.get("significant", False),
            stop=stop if stop else shutdown / 1000,
        )

    def what_runs(self, settings: Json, path: str, full: str, kind: str, template: bool) -> PlanSpec | SupervisorSpec:
        inner = settings.get("sup")
        if inner is None:
            return PlanSpec(path, settings["id"], kind, template)
        failure = "ignore" if inner.get("init") == "ignore" else self.refusal(inner)
        if failure:
            return PlanSpec(path, settings["id"], kind, template, failure)
        return self.supervisor(inner, full)

    # The performance

    async def perform(self) -> Trace:
        refusal = self.refusal(self.scenario)
        if refusal or self.scenario.get("init") == "ignore":
            self.note("result", op="start_link", id=None, value={"error": refusal} if refusal else "ignore")
            self.note("final", alive=False, children=None, counts=None)
            return self.trace
        spec = self.supervisor(self.scenario, "")
        self.tree = Supervisor.from_spec(spec, runtimes={PlanSpec: self.cast.make_runtime})
        self.tree.engine.listen(self.hear)
        self.tree.engine.at_end(self.note_down)
        async with trio.open_nursery() as nursery:
            if await self.start_link(nursery):
                for step in self.scenario.get("steps", ()):
                    await self.step(step)
            await self.finish()
        return self.trace

    async def start_link(self, nursery: trio.Nursery) -> bool:
        async def run(task_status: trio.TaskStatus[object]) -> None:  # noqa: ASYNC128 -- passes it on
            with contextlib.suppress(RestartLimitReached):
                await self.tree.run(task_status=task_status)

        try:
            await nursery.start(run)
        except ChildStartError as error:
            self.note("result", op="start_link", id=None, value={"error": failed_to_start(error)})
            return False
        self.note("result", op="start_link", id=None, value="ok")
        self.up = True
        await self.settle()
        return True

    async def finish(self) -> None:
        if not self.up:
            self.note("final", alive=False, children=None, counts=None)
            return
        children, counts = await self.which(self.tree), await self.count(self.tree)
        self.note("final", alive=True, children=children, counts=counts)
        if self.scenario.get("stop_at_end", True):
            self.note("mark", name="parent_shutdown")
        self.tree.engine.stop("the parent ends", in_turn=True)
        before = len(self.trace)
        await self.tree.engine.wait_over()
        if not self.scenario.get("stop_at_end", True):
            del self.trace[before:]

    async def step(self, step: Json) -> None:
        act: Callable[[Json], Awaitable[None]] = getattr(self, f"do_{step['op']}")
        await act(step)
        if step.get("settle", True):
            await self.settle()

    async def settle(self) -> None:
        """Wait until nothing moves any more and no child is restarting."""
        until = trio.current_time() + PATIENCE
        while True:
            await wait_all_tasks_blocked()
            if not self.is_moving():
                return
            if trio.current_time() > until:
                raise AssertionError(f"does not come to rest: {self.trace[-5:]}")
            with trio.move_on_after(0.05):
                await self.moved.wait()

    def is_moving(self) -> bool:
        return self.up and (
            self.cast.starting > 0 or any(_is_moving(engine) for engine in self.engines(self.tree.engine))
        )

    def engines(self, engine: Engine) -> Iterator[Engine]:
        yield engine
        for name in engine.children:
            if (inner := engine.inner(name)) and not inner.over:
                yield from self.engines(inner)

    def at(self, step: Json) -> Tree:
        return self.tree.inner(step["sup"]) if step.get("sup") else self.tree

    def path(self, step: Json, name: str) -> str:
        return f"{step['sup']}/{name}" if step.get("sup") else name

    # What the engine tells

    def hear(self, supervisor: str, notice: Notice) -> None:
        match notice:
            case Report():
                self.hear_report(supervisor, notice)
            case StateChanged(new=State.READY) if self.is_inner(supervisor, notice.child):
                path = _join(supervisor, notice.child)
                if (path, notice.generation) not in self.ready:
                    self.ready.add((path, notice.generation))
                    self.note("started", id=path, n=self.cast.count(path, path, notice.generation))
            case StateChanged(new=State.STARTING):
                self.ready.discard((_join(supervisor, notice.child), notice.generation))
            case LifeEnded() if self.is_inner(supervisor, notice.child):
                self.hear_inner_end(_join(supervisor, notice.child), notice)
            case _:
                pass

    def is_inner(self, supervisor: str, name: str) -> bool:
        tree = self.tree.inner(supervisor) if supervisor else self.tree
        kept = tree.engine.kept(name)
        return kept is not None and isinstance(kept.spec.run, SupervisorSpec)

    def hear_inner_end(self, path: str, notice: LifeEnded) -> None:
        if (path, notice.generation) in self.ready:
            self.note_inner_end(path, notice.generation, reason_of(notice.exit))
        elif notice.exit.how is How.SPAWN_FAILED:
            self.note("start_failed", id=path, outcome="error")

    def note_inner_end(self, path: str, generation: int, reason: str) -> None:
        n = self.cast.numbers[path, generation]
        if (path, n) not in self.settled:
            self.settled.add((path, n))
            self.note("stopped", id=path, n=n, reason=reason)
            if path in self.stop_calls:
                step, answered = self.stop_calls.pop(path)
                self.result(step, "ok")
                answered.set()

    def hear_report(self, supervisor: str, report: Report) -> None:
        if report.context is Context.PROGRESS and not self.scenario.get("progress"):
            return
        path = _join(supervisor, report.child)
        fields: dict[str, object] = {"sup": supervisor or "top", "context": report.context.value, "level": "error"}
        fields["id"] = self.cast.name(path).rpartition("/")[2]
        if report.context is Context.PROGRESS:
            fields["level"] = "debug" if report.by_hand else "info"
        elif report.generation is not None:
            fields["n"] = self.cast.numbers[path, report.generation]
        if report.context is Context.SHUTDOWN:
            fields["reason"] = "reached_max_restart_intensity"
        elif report.exit is not None:
            fields["reason"] = reason_of(report.exit)
        if report.context is Context.SHUTDOWN_ERROR and path == self.template_path(supervisor):
            fields["nb_children"] = report.count
        self.note("report", **fields)
        if report.exit is not None and report.exit.how is How.KILLED and self.is_inner(supervisor, report.child):
            self.tell_at_once(path)

    def tell_at_once(self, path: str) -> None:
        """Put the report of a killed inner supervisor where OTP has it.

        OTP reports the death at once, while the children still die, and may start the next life before they are dead
        (rule 36). To us a life is over when nothing of it is left.
        """
        report = self.trace.pop()
        index = len(self.trace)
        while self.trace[index - 1]["ev"] == "stopped" and self.trace[index - 1]["id"].startswith(f"{path}/"):
            index -= 1
        self.trace.insert(index, report)

    def template_path(self, supervisor: str) -> str | None:
        tree = self.tree.inner(supervisor) if supervisor else self.tree
        template = tree.engine.spec.template
        return None if template is None else _join(supervisor, template.id)

    def note_down(self) -> None:
        if self.up:
            self.up = False
            self.note("supervisor_down", sup="top", reason=self.down_reason)

    # Steps: what happens

    async def do_exit(self, step: Json) -> None:
        await self.do_exit_together({**step, "victims": [step]})

    async def do_exit_together(self, step: Json) -> None:
        before = None
        for victim in step["victims"]:
            path = self.path(step, victim["id"])
            alive = [life for life in self.cast.lives.get(path, ()) if life.alive]
            if alive:
                alive[-1].die(exit_by_itself(victim["reason"]), before)
                before = alive[-1]
            else:
                self.end_inner(path, victim["reason"])

    def end_inner(self, path: str, reason: str) -> None:
        """An inner supervisor ends by itself, or is killed."""
        with contextlib.suppress(UnknownAgentError):
            engine = self.tree.inner(path).engine
            if engine.over:
                return
            if reason == "kill":
                supervisor, _, name = path.rpartition("/")
                parent = (self.tree.inner(supervisor) if supervisor else self.tree).engine
                self.note_inner_end(path, parent.children[name].generation, "killed")
                engine.kill(inner_in_order=True)
            else:
                engine.stop("its parent ends", in_turn=True, exit_as=exit_by_itself(reason))

    async def do_exit_supervisor(self, step: Json) -> None:
        if step.get("sup"):
            self.end_inner(step["sup"], step["reason"])
            return
        if not self.up:
            return
        if step["reason"] == "kill":
            self.down_reason = "killed"
            self.note_down()
            self.tree.engine.kill(inner_in_order=True)
        else:
            self.down_reason = step["reason"]
            self.tree.engine.stop("the parent ends", in_turn=True)
        await self.tree.engine.wait_over()

    async def do_stop(self, step: Json) -> None:
        try:
            engine = self.at(step).engine
        except UnknownAgentError:
            self.result(step, {"exit": "noproc"})
            return
        if engine.over:
            self.result(step, {"exit": "noproc"})
            return
        reason = step.get("reason", "normal")
        if not step.get("sup") and engine.ending is None:
            self.down_reason = reason
        engine.stop("asked to stop", in_turn=True, exit_as=exit_by_itself(reason))
        answered = trio.Event()
        if step.get("sup"):
            self.stop_calls[step["sup"]] = step, answered
        with trio.move_on_after(step.get("timeout_ms", math.inf) / 1000) as scope:
            await (answered.wait() if step.get("sup") else engine.wait_over())
        if scope.cancelled_caught:
            self.stop_calls.pop(step.get("sup", ""), None)
            self.result(step, {"exit": "timeout"})
        elif not step.get("sup"):
            self.result(step, "ok")

    async def do_stray_exit(self, step: Json) -> None:
        self.at(step).engine.post(Exited("nobody", 1, exit_by_itself("crash")))

    async def do_stray_message(self, step: Json) -> None:
        text = "Supervisor received unexpected message: {hello,there}"
        self.note("log", sup=step.get("sup") or "top", text=text)

    async def do_set_plan(self, step: Json) -> None:
        self.cast.behaviour(self.path(step, step["id"])).set_plan(step.get("plan", []), step.get("then", "ok"))

    async def do_sleep(self, step: Json) -> None:
        await trio.sleep(step["ms"] / 1000)

    async def do_align_second(self, step: Json) -> None:
        now, offset = trio.current_time(), step.get("offset_ms", 0) / 1000
        await trio.sleep((offset - now) % 1)

    async def do_mark(self, step: Json) -> None:
        self.note("mark", name=step.get("name"))

    # Steps: calls

    async def answer(self, step: Json, call: Callable[[Tree], Awaitable[object]]) -> None:
        """Make a call, and note what it is answered."""
        try:
            value = await call(self.at(step))
        except UnknownAgentError:
            value = {"exit": "noproc"}
        except CallError as error:
            gone = error.answer is Answer.SHUTTING_DOWN
            value = {"exit": "noproc"} if gone else {"error": error.answer.value}
        except ChildStartError as error:
            value = self.start_error(step, reason_of(error.exit) if error.exit else "undefined")
        self.result(step, value)

    def start_error(self, step: Json, reason: str) -> object:
        if step["op"] == "start_child" and not self.instances(step):
            return {"error": "start_failed", "reason": reason}
        return {"error": reason}

    def instances(self, step: Json) -> bool:
        """Whether the supervisor of a step has instances, not children with ids."""
        return self.at(step).engine.spec.strategy.value == "simple_one_for_one"

    async def do_start_child(self, step: Json) -> None:
        async def start(tree: Tree) -> object:
            template = tree.engine.spec.template
            if template is not None:
                self.cast.next_instance = step["id"]
                handle = await tree.start_child()
            else:
                found = spec_error(step["child"], tree.engine.spec.auto_shutdown.value)
                if found:
                    return {"error": found}
                handle = await tree.start_child(self.child(step["child"], step.get("sup", "")))
            if handle.ignored:
                return "ignore" if template is None and self.instances(step) else {"ok": "undefined"}
            return {"ok": "pid", "info": handle.info} if handle.info else {"ok": "pid"}

        await self.answer(step, start)

    async def do_terminate_child(self, step: Json) -> None:
        async def terminate(tree: Tree) -> object:
            lives = self.cast.lives.get(self.path(step, step["id"]), ())
            await tree.terminate_child(lives[-1].child if lives and self.instances(step) else step["id"])
            return "ok"

        await self.answer(step, terminate)

    async def do_restart_child(self, step: Json) -> None:
        async def restart(tree: Tree) -> object:
            handle = await tree.restart_child(step["id"])
            if handle.ignored:
                return {"ok": "undefined"}
            return {"ok": "pid", "info": handle.info} if handle.info else {"ok": "pid"}

        await self.answer(step, restart)

    async def do_delete_child(self, step: Json) -> None:
        async def delete(tree: Tree) -> object:
            await tree.delete_child(step["id"])
            return "ok"

        await self.answer(step, delete)

    async def do_which_children(self, step: Json) -> None:
        await self.answer(step, self.which)

    async def do_count_children(self, step: Json) -> None:
        await self.answer(step, self.count)

    async def do_which_child(self, step: Json) -> None:
        async def which(tree: Tree) -> object:
            rows = await self.which(tree)
            return next((row for row in rows if row["id"] == step["id"]), {"error": "not_found"})

        await self.answer(step, which)

    async def do_get_childspec(self, step: Json) -> None:
        async def look(tree: Tree) -> object:
            spec = await tree.get_child_spec(step["id"])
            return {
                "restart": spec.restart.value,
                "significant": term(spec.significant),
                "shutdown": _shutdown(spec),
                "type": _type(spec),
            }

        await self.answer(step, look)

    async def which(self, tree: Tree) -> list[dict[str, object]]:
        rows = [self.row(tree, row) for row in await tree.which_children()]
        if tree.engine.spec.strategy.value == "simple_one_for_one":
            rows.sort(key=lambda row: (str(row["id"]), row.get("n", 0)))
        return rows

    def row(self, tree: Tree, row: Row) -> dict[str, object]:
        path = _join(tree.path, row.child)
        kept = tree.engine.kept(row.child)
        assert kept is not None
        found: dict[str, object] = {"id": self.cast.name(path).rpartition("/")[2], "state": row.condition.value}
        if found["state"] == "running":
            found["n"] = self.cast.numbers[path, row.generation]
        return {**found, "type": _type(kept.spec)}

    async def count(self, tree: Tree) -> dict[str, int]:
        counts = await tree.count_children()
        types = [_type(kept.spec) for name in tree.engine.children if (kept := tree.engine.kept(name))]
        # To OTP the type is a word in the spec; to us it is what the child is. A player may only be called a
        # supervisor.
        supervisors = types.count("supervisor")
        total = counts.supervisors + counts.workers
        return {
            "specs": counts.specs,
            "active": counts.active,
            "supervisors": supervisors,
            "workers": total - supervisors,
        }


def _join(supervisor: str, name: str) -> str:
    return f"{supervisor}/{name}" if supervisor else name


def _is_moving(engine: Engine) -> bool:
    return engine.busy or any(each.state in _MOVING or each.pending for each in engine.children.values())


def _type(spec: ChildSpec) -> str:
    run: object = spec.run
    return run.type if isinstance(run, PlanSpec) else "supervisor"


def _shutdown(spec: ChildSpec) -> str:
    if not spec.stop:
        return "brutal_kill"
    wait = spec.stop[0].wait
    return "infinity" if wait == math.inf else str(round(wait * 1000))
