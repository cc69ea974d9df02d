"""What enters the machine or is said holds no secret, wherever it comes from."""

import attrs
import pytest
from trio.testing import MockClock

from tests.engine.test_supervisor import child, tree
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.notices import Notice
from trio_supervisor.core.policy import Restart
from trio_supervisor.core.state import State
from trio_supervisor.engine.redacted import redacted
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import StartError
from trio_supervisor.probes.base import Answer
from trio_supervisor.record import changed
from trio_supervisor.runtimes.base import Launch, Life, Stream
from trio_supervisor.spec import CommandStep, Health, Readiness, Tcp
from trio_supervisor.testing import Script, ScriptedLife, ScriptedRuntime, ScriptedWorld

SECRET = "s3cr3t-t0ken"


def hide(text: str) -> str:
    return text.replace(SECRET, "***")


@attrs.define
class Heard:
    """Everything that a supervisor tells and its children say."""

    world: ScriptedWorld
    notices: list[Notice] = attrs.field(factory=list)

    def hear(self, _: str, notice: Notice) -> None:
        self.notices.append(notice)

    @property
    def everything(self) -> str:
        return repr(self.notices) + repr(self.world.output)


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        (Script(lifetime=1, exit=Exit(How.RAISED, detail=f"ValueError: {SECRET}")), ""),
        (Script(lifetime=1, exit=Exit(How.SHUT_DOWN, value={"token": SECRET})), ""),
        (Script(start_error=f"no such directory: /{SECRET}"), ""),
        (Script(), f"HTTP 401: {SECRET} is not valid"),
    ],
)
async def test_no_word_of_a_child_carries_a_secret(autojump_clock: MockClock, script: Script, answer: str) -> None:
    world = ScriptedWorld({"a": [script]}, answers={"a": [Answer(not answer, answer or "fine")]})
    probes = {
        "readiness": Readiness(Tcp("1"), period=1, deadline=9),
        "health": Health(Tcp("1"), period=1),
        "restart": Restart.TEMPORARY,
    }
    heard = Heard(world)
    supervisor = Supervisor(tree(child("a", **probes)), changed(world.world, redact=hide))
    supervisor.listen(heard.hear)

    async with supervisor.open():
        await supervisor.wait()

    assert SECRET not in heard.everything
    assert "***" in supervisor.children["a"].reason


async def test_limits_and_what_is_said_about_a_child_carry_none(autojump_clock: MockClock) -> None:
    world = ScriptedWorld()

    class Talker(ScriptedLife):
        async def start(self) -> None:
            await super().start()
            self._launch.output(Stream.SUPERVISOR, f"limit: {SECRET}\n".encode())
            self._launch.output(Stream.STDOUT, f"{SECRET}\n".encode())
            self._launch.limit_reached(f"memory of {SECRET}")

    class Runtime(ScriptedRuntime):
        def life(self, launch: Launch) -> Life:
            return Talker(Script(), launch, world.note)

    other = changed(world.world, redact=hide, runtime=lambda spec: Runtime(spec.id, (), world.note))
    spec = child("a", restart=Restart.TEMPORARY, stop=(CommandStep((f"/{SECRET}",)),))
    async with Supervisor(tree(spec), other).open() as supervisor:
        await supervisor.wait()
        assert supervisor.children["a"].state is State.FAILED
        assert supervisor.children["a"].reason == "memory of ***; temporary: never restarted"

    assert world.output == [
        ("a", Stream.SUPERVISOR, b"limit: ***\n"),
        ("a", Stream.STDOUT, f"{SECRET}\n".encode()),  # whoever keeps it redacts it
        ("a", Stream.SUPERVISOR, b"stop: command /***: in a child of this kind no command can be run\n"),
    ]


def raised(error: Exception) -> Exit:
    return Exit(How.RAISED, detail=str(error), exception=error)


def test_an_exception_without_a_secret_stays_the_same_object() -> None:
    error = StartError("no such program")

    assert redacted(raised(error), hide).exception is error


def test_a_start_error_is_made_anew_with_its_words() -> None:
    error = redacted(raised(StartError(f"no such program: {SECRET}")), hide).exception

    assert type(error) is StartError
    assert str(error) == "no such program: ***"


@pytest.mark.parametrize("where", ["cause", "context", "note", "member"])
def test_an_exception_that_holds_a_secret_anywhere_is_left_out(where: str) -> None:
    error: Exception = ValueError("no")
    if where == "cause":
        error.__cause__ = KeyError(SECRET)
    elif where == "context":
        error.__context__ = KeyError(SECRET)
    elif where == "note":
        error.add_note(SECRET)
    else:
        error = ExceptionGroup("no", [KeyError(SECRET)])

    assert redacted(raised(error), hide) == Exit(How.RAISED, detail=hide(str(error)))
    assert redacted(raised(error), hide).exception is None
