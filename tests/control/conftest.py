"""What tests of a control share: a tree that is reached in the same process, and over its socket."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from tests.control.trees import Far, Near, open_control, reached
from trio_supervisor import ChildSpec
from trio_supervisor.control.local import LocalControl

Opened = tuple[LocalControl, Near | Far]
Open = Callable[..., AbstractAsyncContextManager[Opened]]


@pytest.fixture(params=["near", "far"])
def opened(request: pytest.FixtureRequest) -> Open:
    """Opens a tree, with a control to it."""

    @asynccontextmanager
    async def opened(*children: ChildSpec, **options: Any) -> AsyncIterator[Opened]:
        async with open_control(*children, **options) as local, reached(request.param, local) as control:
            yield local, control

    return opened
