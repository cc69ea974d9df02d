"""A child that is an async function in this process: it lives inside `wait()`, and is asked to end by cancellation."""

from collections.abc import Awaitable, Callable

import trio

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import Ignore, Shutdown, SpecError, StartError
from trio_supervisor.functions import imported, is_async, takes
from trio_supervisor.runtimes.base import Launch, Life, Stream
from trio_supervisor.runtimes.task_log import Logged
from trio_supervisor.runtimes.task_print import printed
from trio_supervisor.runtimes.task_trace import text_of
from trio_supervisor.spec import AskStep, ChildSpec, TaskSpec

Function = Callable[..., Awaitable[object]]
_RETURNED, _CANCELLED = Exit(How.RETURNED), Exit(How.CANCELLED)


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

    __slots__ = ("_asked", "_function", "_launch", "_obstacle", "_overdue", "_scope")
    starts_at_once = True
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
        exit = _CANCELLED
        try:
            with self._scope, Logged(self._log), printed(self._print):
                await self._call()
                exit = _RETURNED
            if self._overdue and exit is _CANCELLED:
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

    def _log(self, record: bytes) -> None:
        self._launch.output(Stream.LOG, record)

    def _print(self, text: bytes) -> None:
        self._launch.output(Stream.STDOUT, text)

    def _call(self) -> Awaitable[object]:
        assert self._function is not None
        if _takes_task_status(self._function):
            return self._function(task_status=_Announcement(self._launch))
        return self._function()

    def _raised(self, error: BaseException) -> Exit:
        self._launch.output(Stream.STDERR, text_of(_without_us(error)).encode(errors="backslashreplace"))
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

    def __init__(self, launch: Launch) -> None:
        self._launch = launch

    def started(self, value: object = None) -> None:
        """The function says that it is ready; the value goes to whoever asked for the start."""
        self._launch.ready(value)


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
    return takes(function, "task_status")


def _resolve(spec: TaskSpec) -> Function:
    """The function that a spec names; raises StartError in words for its owner."""
    if not isinstance(spec.task, str):
        return spec.task
    try:
        target = imported(spec.task, spec.path)
    except ValueError as error:
        raise StartError(f"task {spec.task!r}: {error}") from error
    if not is_async(target):
        module, _, name = spec.task.partition(":")
        raise StartError(f"task {spec.task!r}: {module} has no async function {name!r}")
    assert callable(target)
    return target
