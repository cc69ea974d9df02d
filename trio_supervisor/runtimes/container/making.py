"""The making of a container: its image, fetched where it is to be, and the container itself, which is not started."""

import trio

from trio_supervisor.runtimes.container.engine import ContainerEngine, EngineError
from trio_supervisor.runtimes.container.kill import Kill
from trio_supervisor.runtimes.container.setting import Setting
from trio_supervisor.spec import Pull
from trio_supervisor.words import took


class Making:
    """Makes one container."""

    def __init__(self, setting: Setting, engine: ContainerEngine, kill: Kill) -> None:
        self.may_be_there = False
        """It was asked for, and not refused."""
        self._setting = setting
        self._engine = engine
        self._kill = kill
        self._fetching: trio.CancelScope | None = None

    async def make(self) -> None:
        """Make it.

        Raises:
            EngineError: it can't be made.
            StartError: a kill is wanted.
        """
        image, pull = self._setting.spec.image, self._setting.spec.pull
        if pull is Pull.ALWAYS:
            await self._fetch(image)
        try:
            await self._create()
        except EngineError as error:
            if error.status != 404 or "image" not in str(error).lower():
                raise
            if pull is Pull.NEVER:
                raise EngineError(f"{error}; `pull: never` keeps it from being fetched", 404) from error
            if pull is Pull.ALWAYS:
                raise
            await self._fetch(image)
            await self._create()

    def break_off(self) -> None:
        """Break off what is being fetched: a kill is wanted."""
        if self._fetching is not None:
            self._fetching.cancel()

    async def _create(self) -> None:
        self._kill.check_unwanted()
        self.may_be_there = True
        try:
            await self._engine.create(self._setting.plan)
        except EngineError as error:
            self.may_be_there = not error.status and error.reached
            raise

    async def _fetch(self, image: str) -> None:
        from trio_supervisor.runtimes.container.fetch import fetch  # noqa: PLC0415 -- most images are there

        self._kill.check_unwanted()
        begun = trio.current_time()
        self._setting.tells(f"fetches image {image}")
        try:
            with trio.CancelScope() as self._fetching:
                await fetch(self._engine, image, self._setting.say)
                self._setting.say(f"image {image} was fetched in {took(trio.current_time() - begun)}")
        except EngineError as error:
            raise EngineError(f"image {image} can't be fetched: {error}", error.status) from error
        finally:
            self._fetching = None
            self._setting.tells("")
