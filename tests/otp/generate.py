"""Random scenarios of the schema: trees, strategies, plans, steps. The same seed gives the same scenario."""

import random
from typing import Any

Scenario = dict[str, Any]
REASONS = ("crash", "normal", "shutdown", "{shutdown,x}", "kill")
OUTCOMES = ("ok", "ok", "ok", "error", "crash", "throw", "bad", "ignore", "ok_extra")


class Author:
    """Writes one scenario."""

    def __init__(self, seed: int, *, kill_supervisors: bool) -> None:
        self.draw = random.Random(seed)
        self.kill_supervisors = kill_supervisors
        self.supervisors: list[str] = []
        self.ids: dict[str, list[str]] = {"": []}

    def scenario(self) -> Scenario:
        kind = self.draw.choices(("static", "simple", "dynamic"), (8, 1, 1))[0]
        if kind != "static":
            return self.with_instances(kind)
        found = self.flags("")
        found["steps"] = [self.step() for _ in range(self.draw.randint(1, 8))]
        if self.draw.random() < 0.2:
            found["progress"] = True
        return found

    def flags(self, path: str, depth: int = 0) -> Scenario:
        mode = self.draw.choices(("never", "any_significant", "all_significant"), (4, 1, 1))[0]
        ids = (
            "abcde"[: self.draw.randint(1, 5 if depth == 0 else 3)] if depth == 0 else "xyz"[: self.draw.randint(1, 3)]
        )
        return {
            "strategy": self.draw.choice(("one_for_one", "one_for_all", "rest_for_one")),
            "intensity": self.draw.choice((0, 1, 2, 3, 5)),
            "period_ms": 60_000,
            "auto_shutdown": mode,
            "children": [self.child(f"{path}{name}", name, mode, depth) for name in ids],
        }

    def child(self, path: str, name: str, mode: str, depth: int) -> Scenario:
        restart = self.draw.choices(("permanent", "transient", "temporary"), (3, 2, 1))[0]
        found: Scenario = {"id": name, "restart": restart}
        parent = path.rpartition("/")[0]
        self.ids.setdefault(parent, []).append(name)
        if mode != "never" and restart != "permanent" and self.draw.random() < 0.6:
            found["significant"] = True
        if depth < 2 and self.draw.random() < 0.2:
            self.supervisors.append(path)
            return {**found, "type": "supervisor", "sup": self.flags(f"{path}/", depth + 1)}
        if self.draw.random() < 0.3:
            found["plan"] = ["ok", *self.draw.choices(OUTCOMES, k=self.draw.randint(1, 3))]
        if self.draw.random() < 0.03:
            found["plan"] = self.draw.choices(OUTCOMES, k=2)
        if self.draw.random() < 0.3:
            found["on_shutdown"] = self.draw.choice(
                ({"reason": "normal"}, {"reason": "crash"}, {"reason": "{shutdown,y}"}, "exit")
            )
        if self.draw.random() < 0.1:
            found["shutdown"] = "brutal_kill"
        if self.draw.random() < 0.1:
            found["trap_exit"] = False
        return found

    def step(self) -> Scenario:
        supervisor = self.draw.choice(["", "", "", *self.supervisors])
        ids = self.ids[supervisor]
        if not self.kill_supervisors:
            ids = [each for each in ids if self.path(supervisor, each) not in self.supervisors] or ["nobody"]
        name = self.draw.choice(ids)
        op = self.draw.choices(
            ("exit", "exit_together", "call", "which_children", "count_children", "start_child", "set_plan", "stop"),
            (10, 2, 6, 1, 1, 2, 1, 0.3),
        )[0]
        if op == "stop" and not self.kill_supervisors:
            supervisor = ""
        step: Scenario = {"op": op, **({"sup": supervisor} if supervisor else {})}
        match op:
            case "exit":
                step |= self.victim(supervisor, name)
            case "exit_together":
                workers = [each for each in ids if self.path(supervisor, each) not in self.supervisors]
                count = min(2, len(workers))
                step["victims"] = [self.victim(supervisor, each) for each in self.draw.sample(workers, count)]
            case "call":
                step["op"] = self.draw.choice(
                    ("terminate_child", "restart_child", "delete_child", "get_childspec", "terminate_child")
                )
                step["id"] = self.draw.choice([*ids, "nobody"])
            case "start_child":
                new = self.draw.choice([name, "n", "m"])
                if self.path(supervisor, new) in self.supervisors:
                    new = "n"
                step["child"] = {"id": new, "restart": self.draw.choice(("permanent", "transient", "temporary"))}
            case "set_plan":
                step |= {"id": name, "plan": self.draw.choices(OUTCOMES, k=2)}
            case "stop":
                step["reason"] = self.draw.choice(("normal", "shutdown", "crash"))
        return step

    def path(self, supervisor: str, name: str) -> str:
        return f"{supervisor}/{name}" if supervisor else name

    def victim(self, supervisor: str, name: str) -> Scenario:
        inner = self.path(supervisor, name) in self.supervisors
        return {"id": name, "reason": "kill" if inner else self.draw.choice(REASONS)}

    def with_instances(self, kind: str) -> Scenario:
        found: Scenario = {"intensity": self.draw.choice((1, 3)), "period_ms": 60_000}
        restart = self.draw.choice(("permanent", "transient", "temporary"))
        if kind == "simple":
            found |= {"strategy": "simple_one_for_one", "children": [{"id": "tpl", "restart": restart}]}
        else:
            found |= {"kind": "dynamic", "max_children": 3}
        found["steps"] = [self.instance_step(kind, restart) for _ in range(self.draw.randint(2, 9))]
        return found

    def instance_step(self, kind: str, restart: str) -> Scenario:
        name = self.draw.choice("xyz")
        op = self.draw.choices(
            ("start_child", "exit", "terminate_child", "count_children", "which_children", "set_plan"),
            (5, 4, 2, 1, 1, 1),
        )[0]
        match op:
            case "start_child" if kind == "simple":
                return {"op": op, "id": name}
            case "start_child":
                return {"op": op, "child": {"id": name, "restart": restart}}
            case "exit":
                return {"op": op, "id": name, "reason": self.draw.choice(REASONS)}
            case "set_plan":
                return {"op": op, "id": name, "plan": self.draw.choices(OUTCOMES, k=2)}
            case "terminate_child":
                return {"op": op, "id": name}
            case _:
                return {"op": op}


def random_scenario(seed: int, *, kill_supervisors: bool = True) -> Scenario:
    """A scenario. What follows when an inner supervisor is killed, or stopped by a stranger, is a race in Erlang."""
    return Author(seed, kill_supervisors=kill_supervisors).scenario()
