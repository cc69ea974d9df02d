"""The cgroups of one supervisor run: a directory below our own group, made once, with one group in it for every life.

Ceilings need their controllers. Version 2 gives those to the groups below ours only while nobody is in ours; so, with
the first ceiling that is asked for, we step aside into a leaf of our own, if nobody but us is there: strangers are
never moved.
"""

import errno
import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from itertools import count

from trio_supervisor.system.cgroup import Cgroup, remove, write
from trio_supervisor.system.cgroup_leaf import leave, words
from trio_supervisor.system.cgroup_places import V2, members, own_groups

_WORDS = {
    errno.EROFS: "read-only",
    errno.EACCES: "not permitted",
    errno.EPERM: "not permitted",
}
_LONGEST_NAME = 200
"""Characters of a child's path in the name of its group; 255 bytes are possible."""


class Slice:
    """Makes the groups of one run. What it can't offer, `without` gives the reason for; it is never an error."""

    def __init__(self, instance: str, own: Mapping[str, str], companions: Collection[int] = ()) -> None:
        """See `open`; `own`: our own group in each hierarchy."""
        self._name = "trio-supervisor-" + instance
        self._own = own
        self._companions = companions
        self._numbers = count(1)
        self._stepped_aside = False
        self._enabled: list[str] = []
        self._missing: dict[str, str] = {}

    @classmethod
    def open(cls, instance: str, companions: Collection[int] = ()) -> "Slice":
        """Make the directory, and try whether processes can be born in it.

        `companions`: processes beside ourselves that may be moved into the leaf with us, as the guardian; looked at
        when the first ceiling is asked for.
        """
        made = cls(instance, own_groups(), companions)
        made.prepare()
        return made

    @property
    def directories(self) -> tuple[str, ...]:
        """All that may come to be, whether it is there yet or not: what `destroy` clears when nobody calls `close`."""
        return tuple(self._in(name) for name in (V2, "memory", "pids") if name in self._own)

    @property
    def leaf(self) -> str | None:
        """Where we go when version 2 asks our own group to be empty; `leave` is the way back."""
        return None if V2 not in self._own else self._in(V2) + ".self"

    @property
    def home(self) -> str | None:
        """The `cgroup.procs` of the group of version 2 that we are in; None when there is no group for lives."""
        if "tree" in self._missing:
            return None
        return f"{self.leaf if self._stepped_aside else self._own[V2]}/cgroup.procs"

    def without(self, what: str) -> str:
        """Why there is no `tree` (a group of version 2 for every life), `memory` or `pids` (a ceiling); "" when there
        is one.
        """
        if what != "tree":
            self._controller(what)
        return self._missing.get(what, "")

    def prepare(self) -> None:
        """Make the group of version 2, or note why not."""
        if V2 not in self._own:
            self._missing["tree"] = "cgroup version 2 is not mounted, or does not show our own group"
            return
        path = self._in(V2)
        try:
            os.mkdir(path)
            self._check_birth(path)
        except OSError as error:
            self._missing["tree"] = _reason(error)
            remove(path)

    def _check_birth(self, path: str) -> None:
        if not os.path.exists(path + "/cgroup.kill"):
            raise OSError("cgroup.kill is missing: it needs Linux 5.14")
        # To get from one group into another takes the right to write to what contains both, which is our own. Whoever
        # joins the group that it is in moves nowhere, but is asked for that right.
        write(self._own[V2] + "/cgroup.procs", "0")

    def make(
        self, child: str, generation: int, *, memory: int | None = None, pids: int | None = None, counted: bool = False
    ) -> Cgroup | None:
        """The groups of one life, fresh: a group that was killed once may kill whoever is cloned into it.

        `memory`: bytes; `counted`: count memory without a ceiling too. None: there is nothing that it could be kept in.
        A ceiling that `without` has a reason for is left out. Without any, the group is only named here, and made by
        who is born in it (see `join`).

        Raises:
            OSError: the system would not have it.
        """
        made = Cgroup()
        name = f"{group_name(child, generation)}.{next(self._numbers)}"
        if memory is None and pids is None and not counted:
            # The kernel makes and joins groups under one lock: better all by one process than by two in turns.
            return None if self.without("tree") else Cgroup(f"{self._in(V2)}/{name}")
        try:
            if not self.without("tree"):
                made.tree = self._fresh(V2, name)
            if (memory is not None or counted) and (where := self._controller("memory")) is not None:
                made.memory = made.tree if where == V2 else self._fresh(where, name)
                _limit_memory(made, memory)
            if pids is not None and (where := self._controller("pids")) is not None:
                made.pids = made.tree if where == V2 else self._fresh(where, name)
                write(f"{made.pids}/pids.max", str(pids))
        except OSError:
            made.remove()
            raise
        return made if made.directories else None

    def close(self) -> bool:
        """Undo everything; False when something is still in it. Harmless when called again."""
        left = [path for path in self.directories if not remove(path)]
        if not left and self.leaf is not None:
            for controller in self._enabled:
                with suppress(OSError):
                    write(self._own[V2] + "/cgroup.subtree_control", "-" + controller)
            self._enabled.clear()
            self._stepped_aside = not leave(self.leaf)
        return not left

    def _in(self, hierarchy: str) -> str:
        return f"{self._own[hierarchy].rstrip('/')}/{self._name}"

    def _fresh(self, hierarchy: str, name: str) -> str:
        path = f"{self._in(hierarchy)}/{name}"
        try:
            os.mkdir(path)
        except FileNotFoundError:
            # The one above is made with the first that is needed.
            with suppress(FileExistsError):
                os.mkdir(self._in(hierarchy))
            os.mkdir(path)
        return path

    def _controller(self, name: str) -> str | None:
        """The hierarchy whose groups have this controller; None, with the reason noted, when there is none."""
        if "tree" not in self._missing and name in words(self._own[V2] + "/cgroup.controllers"):
            reason = self._enable(name)
            where = V2
        else:
            reason = self._try_v1(name)
            where = name
        self._missing[name] = reason
        return None if reason else where

    def _try_v1(self, name: str) -> str:
        if name not in self._own:
            why = self._missing.get("tree")
            return f"no cgroup controller {name!r} is in reach" + (f" ({why})" if why else "")
        try:
            os.mkdir(self._in(name))
        except FileExistsError:
            pass
        except OSError as error:
            return _reason(error)
        return ""

    def _enable(self, name: str) -> str:
        """Give the controller of version 2 to the groups of the lives; returns why it can't be."""
        own = self._own[V2]
        try:
            if name not in words(own + "/cgroup.subtree_control"):
                self._enable_below_own(own, name)
                self._enabled.append(name)
            if name not in words(self._in(V2) + "/cgroup.subtree_control"):
                write(self._in(V2) + "/cgroup.subtree_control", "+" + name)
        except OSError as error:
            return _reason(error)
        return ""

    def _enable_below_own(self, own: str, name: str) -> None:
        try:
            write(own + "/cgroup.subtree_control", "+" + name)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            self._step_aside(own)
            try:
                write(own + "/cgroup.subtree_control", "+" + name)
            except OSError:
                self._stepped_aside = not leave(f"{self.leaf}")
                raise

    def _step_aside(self, own: str) -> None:
        ours = {os.getpid(), *self._companions}
        present = members(own)
        if strangers := [pid for pid in present if pid not in ours]:
            raise OSError(f"{own} is not ours alone: pid {strangers[0] or 'of another namespace'} is in it too")
        leaf = f"{self.leaf}"
        with suppress(FileExistsError):
            os.mkdir(leaf)
        try:
            for pid in present:
                write(leaf + "/cgroup.procs", str(pid))
        except OSError:
            leave(leaf)
            raise
        self._stepped_aside = True


def group_name(child: str, generation: int) -> str:
    """The first part of the name of a life's group, which any file system takes, and which tells people whose it is."""
    safe = re.sub(r"[^A-Za-z0-9-]", lambda found: "_" if found[0] == "/" else f"_{ord(found[0]):x}_", child)
    return f"{safe[:_LONGEST_NAME]}-{generation}"


def _limit_memory(group: Cgroup, limit: int | None) -> None:
    """What the kernel can take back it takes back first; then it kills. Swap would only be a slower way over the
    ceiling, so there is none.
    """
    if limit is None:
        return
    if group.memory == group.tree:
        write(f"{group.memory}/memory.oom.group", "1")
        _write_if_there(f"{group.memory}/memory.swap.max", "0")
        write(f"{group.memory}/memory.max", str(limit))
    else:
        write(f"{group.memory}/memory.limit_in_bytes", str(limit))
        # Memory and swap together; it must not be less than memory alone, so it comes second.
        _write_if_there(f"{group.memory}/memory.memsw.limit_in_bytes", str(limit))


def _write_if_there(path: str, text: str) -> None:
    # The kernel may be built, or started, without swap accounting.
    with suppress(FileNotFoundError):
        write(path, text)


def _reason(error: OSError) -> str:
    if error.errno is None:
        return str(error)
    what = _WORDS.get(error.errno, error.strerror)
    return f"{error.filename}: {what}" if error.filename else f"{what}"
