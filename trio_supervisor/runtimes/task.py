"""A child that is an async function in this process: it lives inside `wait()`, and is asked to end by cancellation."""

import inspect
import sys
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module

import trio

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import Ignore, Shutdown, SpecError, StartError
from trio_supervisor.runtimes.base import Launch, Life, Ready, Stream
from trio_supervisor.runtimes.task_log import logged
from trio_supervisor.runtimes.task_print import printed
from trio_supervisor.spec import AskStep, ChildSpec, TaskSpec

Function = Callable[..., Awaitable[object]]


class TaskRuntime:
    """Makes the lives of one function."""

    port: int | None = None

    def __init__(self, spec: ChildSpec) -> None:
        if not isinstance(spec.run, TaskSpec):
            raise SpecError(f"child {spec.id!r}: not a task")
        self._function: Function | None = None
        self._obstacle = ""
        try:
            self._function = _resolve(spec.run)
        except StartError as error:
            # Told at each start: the mistake belongs to this child, not to the tree.
            self._obstacle = str(error)

    @property
    def announces(self) -> bool:
        """Whether the function takes `task_status`."""
        return self._function is not None and _takes_task_status(self._function)

    def life(self, launch: Launch) -> Life:
        """A new call of the function."""
        return TaskLife(self._function, self._obstacle, launch)

    def close(self) -> None:
        """Nothing is kept."""


class TaskLife:
    """One call of the function."""

    pid: int | None = None

    def __init__(self, function: Function | None, obstacle: str, launch: Launch) -> None:
        self._function = function
        self._obstacle = obstacle
        self._launch = launch
        self._scope = trio.CancelScope()
        self._asked = False
        self._overdue = False

    async def start(self) -> None:
        """Check that there is a function to call."""
        if self._function is None:
            raise StartError(self._obstacle)

    async def wait(self) -> Exit:
        """Call the function, to its end.

        An exception or SystemExit of it becomes the exit; KeyboardInterrupt goes on to whoever runs the program.
        """
        exit = Exit(How.CANCELLED)
        try:
            with self._scope, logged(self._taker(Stream.LOG)), printed(self._taker(Stream.STDOUT)):
                await self._call()
                exit = Exit(How.RETURNED)
            if self._overdue and exit.how is How.CANCELLED:
                exit = Exit(How.KILLED)
        except Shutdown as end:
            exit = Exit(How.SHUT_DOWN, value=end.value)
        except Ignore as end:
            exit = Exit(How.IGNORED, detail=str(end))
        except (Exception, SystemExit) as error:
            exit = self._raised(error)
        except BaseExceptionGroup as group:
            # KeyboardInterrupt is everybody's business; what is left is this child's.
            if others := group.split((Exception, SystemExit))[1]:
                raise others from None
            exit = self._raised(group)
        for stream in (Stream.STDOUT, Stream.STDERR):
            self._launch.output(stream, b"")
        return exit

    def _taker(self, stream: Stream) -> Callable[[bytes], None]:
        return partial(self._launch.output, stream)

    async def _call(self) -> None:
        assert self._function is not None
        if _takes_task_status(self._function):
            await self._function(task_status=_Announcement(self._launch.ready))
        else:
            await self._function()

    def _raised(self, error: BaseException) -> Exit:
        self._launch.output(
            Stream.STDERR, "".join(traceback.format_exception(_without_us(error))).encode(errors="backslashreplace")
        )
        leaf = _first_leaf(error)
        return Exit(How.RAISED, detail=f"{type(leaf).__name__}: {leaf}".rstrip(": "), exception=error)

    async def ask(self, step: AskStep) -> None:
        """Cancel the function."""
        self._asked = True
        self._scope.cancel()

    def kill(self) -> None:
        """Cancel the function; nothing stronger exists. Who was asked before, and needed this, counts as killed."""
        self._overdue = self._asked
        self._scope.cancel()


class _Announcement:
    """What the function gets as `task_status`."""

    def __init__(self, ready: Ready) -> None:
        self._ready = ready

    def started(self, value: object = None) -> None:
        """The function says that it is ready; the value goes to whoever asked for the start."""
        self._ready(value)


def _without_us(error: BaseException) -> BaseException:
    """The exception without the calls of this module, which tell its author nothing."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return error.with_traceback(frames)


def _first_leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _takes_task_status(function: Function) -> bool:
    try:
        parameter = inspect.signature(function).parameters.get("task_status")
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)


def _resolve(spec: TaskSpec) -> Function:
    """The function that a spec names; raises StartError in words for its owner."""
    if not isinstance(spec.task, str):
        return spec.task
    module_name, _, name = spec.task.partition(":")
    if not module_name or not name:
        raise StartError(f"task {spec.task!r} must be written package.module:function")
    if spec.path is not None and spec.path not in sys.path:
        sys.path.insert(0, spec.path)
    try:
        target: object = import_module(module_name)
    except (Exception, SystemExit) as error:
        raise StartError(
            f"task {spec.task!r}: importing {module_name!r} raised {type(error).__name__}: {error}"
        ) from error
    for part in name.split("."):
        target = getattr(target, part, None)
    if not inspect.iscoroutinefunction(target) and not inspect.iscoroutinefunction(getattr(target, "__call__", None)):  # noqa: B004
        raise StartError(f"task {spec.task!r}: {module_name} has no async function {name!r}")
    assert callable(target)
    return target
