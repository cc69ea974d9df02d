"""The tree of Trio's tasks as text, for finding out what a running program waits for."""

from collections.abc import Iterator

import trio
from trio.lowlevel import Task


def task_tree() -> str:
    """All tasks of this Trio run, each with the place where it waits."""
    root = trio.lowlevel.current_root_task()
    return "\n".join(_lines(root, 0)) + "\n" if root is not None else ""


def _lines(task: Task, depth: int) -> Iterator[str]:
    yield "  " * depth + task.name + _place(task)
    for nursery in task.child_nurseries:
        for child in sorted(nursery.child_tasks, key=lambda task: task.name):
            yield from _lines(child, depth + 1)


def _place(task: Task) -> str:
    frames = [(frame, line) for frame, line in task.iter_await_frames() if "/trio/" not in frame.f_code.co_filename]
    if not frames:
        return ""
    frame, line = frames[-1]
    return f"  at {frame.f_globals.get('__name__', '?')}:{line} in {frame.f_code.co_name}"
