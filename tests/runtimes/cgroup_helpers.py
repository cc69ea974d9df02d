"""For the tests with real cgroups: they skip where there are none to write to."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from trio_supervisor.system.cgroup import Cgroup, destroy
from trio_supervisor.system.cgroup_slice import Slice

_BORN = 'while [ "$1" != -- ]; do mkdir -p "${1%/*}"; echo 0 > "$1" || exit 99; shift; done; shift; exec "$@"'


@contextmanager
def a_slice(*needed: str) -> Iterator[Slice]:
    """A slice for this test, that has what is `needed` (see `Slice.without`); skips where it can't be had."""
    made = Slice.open("test-" + uuid.uuid4().hex[:8])
    try:
        for what in needed:
            if reason := made.without(what):
                pytest.skip(f"no {what}: {reason}")
        yield made
    finally:
        for path in made.directories:
            assert destroy(path, patience=10), f"{path} can't be removed"
        made.close()


@contextmanager
def born(cgroup: Cgroup, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has joined the groups before its exec; both its outputs are pipes. Killed with its tree."""
    arguments = ["sh", "-c", _BORN, "sh", *cgroup.join_files, "--", *command]
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, env=dict(os.environ)
    )
    with process:
        try:
            yield process
        finally:
            for path in cgroup.directories:
                destroy(path, patience=10)
            process.kill()
