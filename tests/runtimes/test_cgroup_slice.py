"""The directory of one run: what it offers, what it leaves alone, and that it is undone."""

import errno
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.runtimes.cgroup_helpers import a_slice, born
from tests.runtimes.process_helpers import python
from trio_supervisor.system import cgroup_leaf, cgroup_slice
from trio_supervisor.system.cgroup import Cgroup, destroy
from trio_supervisor.system.cgroup_leaf import leave
from trio_supervisor.system.cgroup_places import V2, own_groups
from trio_supervisor.system.cgroup_slice import Slice, group_name

OURS = os.getpid()
GUARDIAN = 777
STRANGER = 888


class Kernel:
    """A cgroup of version 2 with controllers, as far as the rules matter that a slice has to keep; `writes` are all
    writes, in order, relative to our own group.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, *, controllers: str = "memory pids") -> None:
        self.own = root / "own"
        self.writes: list[tuple[str, str]] = []
        self.refuse: dict[str, int] = {}
        self._mkdir = os.mkdir
        self.own.mkdir()
        self._fill(str(self.own), controllers)
        monkeypatch.setattr(os, "mkdir", self.mkdir)
        for module in (cgroup_slice, cgroup_leaf):
            monkeypatch.setattr(module, "write", self.write)
            monkeypatch.setattr(module, "remove", self.remove)

    def slice(self, *companions: int) -> Slice:
        made = Slice("x", {V2: str(self.own)}, companions)
        made.prepare()
        self.writes.clear()
        return made

    def put(self, *pids: int) -> None:
        (self.own / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))

    def read(self, path: str) -> str:
        return (self.own.parent / path).read_text()

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        self._mkdir(path, mode)
        self._fill(path, self.read_words(os.path.dirname(path) + "/cgroup.subtree_control"))

    def remove(self, path: str) -> bool:
        shutil.rmtree(path, ignore_errors=True)
        return True

    def read_words(self, path: str) -> str:
        return Path(path).read_text()

    def _fill(self, path: str, controllers: str) -> None:
        files = {"cgroup.kill": "", "cgroup.procs": "", "cgroup.subtree_control": "", "cgroup.controllers": controllers}
        if "memory" in controllers:
            files |= {"memory.max": "max", "memory.oom.group": "0", "memory.swap.max": "max"}
        if "pids" in controllers:
            files |= {"pids.max": "max"}
        for name, text in files.items():
            if not Path(path, name).exists():
                Path(path, name).write_text(text)

    def write(self, path: str, text: str) -> None:
        where = os.path.relpath(path, self.own.parent)
        self.writes.append((where, text))
        if where in self.refuse:
            raise OSError(self.refuse[where], os.strerror(self.refuse[where]), path)
        if not os.path.exists(path):
            raise FileNotFoundError(errno.ENOENT, "", path)
        match os.path.basename(path):
            case "cgroup.procs":
                self._move(path, text)
            case "cgroup.subtree_control":
                self._switch(path, text)
            case _:
                Path(path).write_text(text)

    def _move(self, path: str, pid: str) -> None:
        for procs in self.own.rglob("cgroup.procs") if pid != "0" else ():
            procs.write_text("".join(line for line in procs.read_text().splitlines(True) if line.strip() != pid))
        with open(path, "a") as file:
            file.write(f"{pid}\n" if pid != "0" else "")

    def _switch(self, path: str, text: str) -> None:
        group = Path(path).parent
        if text[0] == "+" and (group / "cgroup.procs").read_text():
            raise OSError(errno.EBUSY, "Device or resource busy", path)
        on = set(Path(path).read_text().split())
        on = on | {text[1:]} if text[0] == "+" else on - {text[1:]}
        Path(path).write_text(" ".join(sorted(on)))
        for below in group.iterdir():
            if below.is_dir():
                (below / "cgroup.controllers").write_text(" ".join(sorted(on)))
                self._fill(str(below), " ".join(sorted(on)))


STEPS_ASIDE = """
import os, subprocess, sys
sys.path[:0] = sys.argv[2].split(":")
from trio_supervisor.system.cgroup_places import V2, members, own_groups
from trio_supervisor.system.cgroup_slice import Slice
own = own_groups()[V2]
def tell(leaf): print(len(members(leaf)), "in the leaf,", len(members(own)), "left", flush=True)
with subprocess.Popen(["sleep", "300"]) as guardian:
    cgroups = Slice.open("inner", {guardian.pid})
    assert cgroups.without(sys.argv[1]) == "", cgroups.without(sys.argv[1])
    tell(cgroups.leaf)
    assert cgroups.close()
    tell(cgroups.leaf)
    assert sys.argv[1] not in open(own + "/cgroup.subtree_control").read()
    alone = Slice.open("other")
    reason = alone.without(sys.argv[1])
    print("stranger" if f"pid {guardian.pid} is in it too" in reason else reason, flush=True)
    alone.close()
    guardian.kill()
"""
"""A supervisor in a group that is its own, and its guardian's; then without saying whose that other process is."""
PATH = ":".join(sys.path)


@contextmanager
def a_controller(cgroups: Slice) -> Iterator[tuple[Cgroup, str]]:
    """A group whose controllers may be handed on, and the name of one: of any, as all keep the same rules."""
    top = cgroups.directories[0]
    above = os.path.dirname(top)
    names = [name for name in Path(above, "cgroup.controllers").read_text().split() if name not in ("cpu", "cpuset")]
    before = Path(above, "cgroup.subtree_control").read_text().split()
    if not names:
        pytest.skip("version 2 has no controllers here")
    name = names[0]
    try:
        Path(above, "cgroup.subtree_control").write_text("+" + name)
        Path(top, "cgroup.subtree_control").write_text("+" + name)
    except OSError as error:
        pytest.skip(f"version 2 does not hand on {name}: {error}")
    made = cgroups.make("outer", 1)
    assert made is not None
    try:
        yield made, name
    finally:
        assert destroy(made.directories[0], patience=10)
        Path(top, "cgroup.subtree_control").write_text("-" + name)
        if name not in before:
            Path(above, "cgroup.subtree_control").write_text("-" + name)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(tmp_path, monkeypatch)


SLICE = "own/trio-supervisor-x"
LEAF = SLICE + ".self"


class TestVersion2:
    def test_a_ceiling_is_written_in_full_before_anybody_joins(self, kernel: Kernel) -> None:
        made = kernel.slice().make("team/planner", 3, memory=1000, pids=20)

        assert made is not None
        assert made.directories == (f"{kernel.own.parent}/{SLICE}/team_planner-3.1",)
        assert made.join_files == (f"{kernel.own.parent}/{SLICE}/team_planner-3.1/cgroup.procs",)
        assert kernel.writes == [
            ("own/cgroup.subtree_control", "+memory"),
            (f"{SLICE}/cgroup.subtree_control", "+memory"),
            (f"{SLICE}/team_planner-3.1/memory.oom.group", "1"),
            (f"{SLICE}/team_planner-3.1/memory.swap.max", "0"),
            (f"{SLICE}/team_planner-3.1/memory.max", "1000"),
            ("own/cgroup.subtree_control", "+pids"),
            (f"{SLICE}/cgroup.subtree_control", "+pids"),
            (f"{SLICE}/team_planner-3.1/pids.max", "20"),
        ]

    def test_without_ceilings_nothing_is_switched_on_and_nobody_moves(self, kernel: Kernel) -> None:
        kernel.put(OURS)

        made = kernel.slice().make("a", 1)

        assert made is not None
        assert (made.memory, made.pids) == (None, None)
        assert kernel.writes == []

    def test_who_only_counts_memory_sets_no_ceiling(self, kernel: Kernel) -> None:
        made = kernel.slice().make("a", 1, counted=True)

        assert made is not None
        assert made.memory == made.tree
        assert [name for name, _ in kernel.writes] == ["own/cgroup.subtree_control", f"{SLICE}/cgroup.subtree_control"]

    def test_we_and_our_guardian_step_aside_into_a_leaf(self, kernel: Kernel) -> None:
        kernel.put(OURS, GUARDIAN)

        cgroups = kernel.slice(GUARDIAN)

        assert cgroups.without("memory") == ""
        assert kernel.read("own/cgroup.procs") == ""
        assert kernel.read(f"{LEAF}/cgroup.procs").split() == [str(OURS), str(GUARDIAN)]
        assert kernel.read(f"{SLICE}/cgroup.subtree_control") == "memory"

    def test_what_was_done_for_it_is_undone_in_the_end(self, kernel: Kernel) -> None:
        kernel.put(OURS, GUARDIAN)
        cgroups = kernel.slice(GUARDIAN)
        assert not cgroups.without("memory") + cgroups.without("pids")

        assert cgroups.close()

        assert kernel.read("own/cgroup.procs").split() == [str(OURS), str(GUARDIAN)]
        assert kernel.read("own/cgroup.subtree_control") == ""
        assert [one.name for one in kernel.own.iterdir() if one.is_dir()] == []

    def test_a_controller_that_was_on_before_stays_on(self, kernel: Kernel) -> None:
        (kernel.own / "cgroup.subtree_control").write_text("memory")
        cgroups = kernel.slice()
        assert not cgroups.without("memory") + cgroups.without("pids")

        cgroups.close()

        assert kernel.read("own/cgroup.subtree_control") == "memory"

    def test_strangers_are_not_moved_and_the_reason_names_one(self, kernel: Kernel) -> None:
        kernel.put(OURS, STRANGER)

        cgroups = kernel.slice(GUARDIAN)

        assert cgroups.without("memory") == f"{kernel.own} is not ours alone: pid {STRANGER} is in it too"
        assert kernel.read("own/cgroup.procs").split() == [str(OURS), str(STRANGER)]
        assert kernel.read("own/cgroup.subtree_control") == ""
        assert not os.path.exists(f"{cgroups.leaf}")
        made = cgroups.make("a", 1, memory=1000)
        assert made is not None
        assert (made.tree is not None, made.memory) == (True, None)

    def test_a_ceiling_can_be_had_as_soon_as_the_stranger_has_gone(self, kernel: Kernel) -> None:
        kernel.put(OURS, STRANGER)
        cgroups = kernel.slice()
        assert cgroups.without("memory")

        kernel.put(OURS)

        assert cgroups.without("memory") == ""

    def test_a_step_aside_that_fails_half_way_is_undone(self, kernel: Kernel) -> None:
        kernel.put(OURS)
        kernel.refuse[f"{LEAF}/cgroup.procs"] = errno.EPERM

        cgroups = kernel.slice()

        assert cgroups.without("memory") == f"{kernel.own.parent}/{LEAF}/cgroup.procs: not permitted"
        assert kernel.read("own/cgroup.procs").split() == [str(OURS)]
        assert not os.path.exists(f"{cgroups.leaf}")

    def test_a_controller_that_is_refused_after_the_step_brings_us_back(
        self, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kernel.put(OURS)
        monkeypatch.setattr(kernel, "_switch", lambda path, text: _raise(errno.EBUSY))

        cgroups = kernel.slice()

        assert cgroups.without("pids") == os.strerror(errno.EBUSY)
        assert kernel.read("own/cgroup.procs").split() == [str(OURS)]
        assert not os.path.exists(f"{cgroups.leaf}")

    def test_the_way_back_is_found_by_the_path_alone(self, kernel: Kernel) -> None:
        kernel.put(OURS, GUARDIAN)
        cgroups = kernel.slice(GUARDIAN)
        assert cgroups.without("memory") == ""

        assert leave(f"{cgroups.leaf}")
        assert leave(f"{cgroups.leaf}")

        assert kernel.read("own/cgroup.procs").split() == [str(OURS), str(GUARDIAN)]
        assert kernel.read("own/cgroup.subtree_control") == ""

    def test_a_kernel_without_accounting_of_swap_is_no_obstacle(self, kernel: Kernel) -> None:
        cgroups = kernel.slice()
        assert cgroups.without("memory") == ""
        kernel.refuse[f"{SLICE}/a-1.1/memory.swap.max"] = errno.ENOENT

        made = cgroups.make("a", 1, memory=1000)

        assert made is not None
        assert kernel.read(f"{SLICE}/a-1.1/memory.max") == "1000"

    def test_a_ceiling_that_is_refused_leaves_no_group_behind(
        self, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cgroups = kernel.slice()
        assert cgroups.without("memory") == ""
        kernel.refuse[f"{SLICE}/a-1.1/memory.max"] = errno.EINVAL
        removed: list[tuple[str, ...]] = []
        monkeypatch.setattr(
            "trio_supervisor.system.cgroup.Cgroup.remove", lambda self: removed.append(self.directories)
        )

        with pytest.raises(OSError, match=re.escape("a-1.1/memory.max")):
            cgroups.make("a", 1, memory=1000)

        assert removed == [(f"{kernel.own.parent}/{SLICE}/a-1.1",)]

    @pytest.mark.parametrize(
        ("number", "words"),
        [(errno.EROFS, "read-only"), (errno.EACCES, "not permitted"), (errno.EPERM, "not permitted")],
    )
    def test_where_nobody_can_be_born_there_is_no_group_and_a_reason(
        self, kernel: Kernel, number: int, words: str
    ) -> None:
        kernel.refuse["own/cgroup.procs"] = number

        cgroups = kernel.slice()

        assert cgroups.without("tree") == f"{kernel.own}/cgroup.procs: {words}"
        assert cgroups.make("a", 1, memory=1000, pids=3) is None
        assert not os.path.exists(kernel.own.parent / SLICE)

    def test_a_kernel_that_can_not_kill_a_group_is_too_old(
        self, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exists = os.path.exists
        monkeypatch.setattr(os.path, "exists", lambda path: "cgroup.kill" not in str(path) and exists(path))

        assert kernel.slice().without("tree") == "cgroup.kill is missing: it needs Linux 5.14"


def _raise(number: int) -> None:
    raise OSError(number, os.strerror(number))


def test_where_nothing_is_mounted_there_is_nothing_and_each_has_its_reason() -> None:
    cgroups = Slice("x", {})
    cgroups.prepare()

    assert cgroups.without("tree") == "cgroup version 2 is not mounted, or does not show our own group"
    assert cgroups.without("memory") == f"no cgroup controller 'memory' is in reach ({cgroups.without('tree')})"
    assert cgroups.make("a", 1, memory=1000, pids=3) is None
    assert (cgroups.directories, cgroups.leaf, cgroups.close()) == ((), None, True)


class TestReal:
    def test_every_life_has_a_fresh_group_even_under_the_same_name(self) -> None:
        with a_slice("tree") as cgroups:
            made = [cgroups.make("team/planner", 1) for _ in range(3)]

            names = [os.path.basename(one.directories[0]) for one in made if one is not None]
            assert names == ["team_planner-1.1", "team_planner-1.2", "team_planner-1.3"]

    def test_ceilings_of_version_1_hold_for_memory_with_swap(self) -> None:
        with a_slice("memory", "pids") as cgroups:
            made = cgroups.make("a", 1, memory=64 * 2**20, pids=7)
            assert made is not None
            if made.memory is None or made.memory == made.tree:
                pytest.skip("version 2 has the controller")

            assert Path(made.memory, "memory.limit_in_bytes").read_text() == f"{64 * 2**20}\n"
            with_swap = Path(made.memory, "memory.memsw.limit_in_bytes")
            assert not with_swap.exists() or with_swap.read_text() == f"{64 * 2**20}\n"
            assert Path(f"{made.pids}", "pids.max").read_text() == "7\n"
            # `tasks` means the same there, and takes no lock.
            assert [os.path.basename(path) for path in made.join_files][-2:] == ["tasks", "tasks"]

    def test_a_run_that_is_over_leaves_no_directory(self) -> None:
        with a_slice("tree") as cgroups:
            assert cgroups.make("a", 1, memory=2**30, pids=10, counted=True)
            assert cgroups.directories
            assert any(os.path.exists(path) for path in cgroups.directories)

            assert cgroups.close()
            assert cgroups.close()

            assert not any(os.path.exists(path) for path in cgroups.directories)

    def test_what_a_killed_supervisor_leaves_is_cleared_by_paths_alone(self) -> None:
        with a_slice("tree") as cgroups:
            assert cgroups.make("a", 1, memory=2**30, pids=10)

            for path in cgroups.directories:
                assert destroy(path)

            assert not any(os.path.exists(path) for path in cgroups.directories)

    def test_we_step_aside_for_a_controller_and_come_back(self) -> None:
        with a_slice("tree") as cgroups, a_controller(cgroups) as (outer, controller):
            with born(outer, *python(STEPS_ASIDE, controller, PATH)) as process:
                output, errors = process.communicate(timeout=30)

            assert (output.decode(), errors.decode()) == (
                "2 in the leaf, 0 left\n0 in the leaf, 2 left\nstranger\n",
                "",
            )

    def test_we_stay_where_we_are(self) -> None:
        before = own_groups()

        with a_slice("tree"):
            during = own_groups()

        assert during == before


@pytest.mark.parametrize(
    ("child", "name"),
    [
        ("agent", "agent-7"),
        ("team/planner", "team_planner-7"),
        ("../../etc", "_2e__2e___2e__2e__etc-7"),
        ("a b\n", "a_20_b_a_-7"),
        ("ä", "_e4_-7"),
        ("", "-7"),
    ],
)
def test_a_name_is_one_that_a_file_system_takes(child: str, name: str) -> None:
    assert group_name(child, 7) == name


def test_a_long_path_makes_a_name_of_bounded_length() -> None:
    assert len(group_name("/".join(["x" * 64] * 20), 10**9)) < 255
