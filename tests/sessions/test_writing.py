"""One writes at a time."""

import pytest
import trio

from trio_supervisor.errors import WriterBusyError
from trio_supervisor.writing import Lease


def test_the_second_is_told_who_writes() -> None:
    lease = Lease("team/shell")
    lease.take("alice")

    with pytest.raises(WriterBusyError, match="team/shell: alice writes to it") as refused:
        lease.take("bob")

    assert (refused.value.holder, lease.holder) == ("alice", "alice")


def test_who_has_released_it_may_not_write_and_another_one_may() -> None:
    lease = Lease("a")
    with lease.take("alice") as alice:
        pass
    assert lease.holder == ""

    lease.take("bob")
    with pytest.raises(WriterBusyError, match="a: bob writes to it now"):
        alice.begin()
    alice.release()  # harmless
    assert lease.holder == "bob"


async def test_who_is_driven_away_by_force_is_stopped_in_the_middle() -> None:
    lease = Lease("a")
    alice = lease.take("alice")
    with alice.begin() as scope:
        lease.take("bob", force=True)
        await trio.sleep_forever()

    assert scope.cancelled_caught
    assert not alice.held
    assert lease.holder == "bob"


def test_two_tasks_of_one_holder_do_not_write_at_once() -> None:
    alice = Lease("a").take("alice")
    alice.begin()

    with pytest.raises(WriterBusyError, match="another task of alice is writing"):
        alice.begin()
    alice.end()
    alice.begin()


async def test_one_can_wait_until_it_is_free(autojump_clock: trio.testing.MockClock) -> None:
    lease = Lease("a")
    writer = lease.take("probe")

    async def release() -> None:
        await trio.sleep(5)
        writer.release()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(release)
        await lease.wait_free()
        assert trio.current_time() >= 5
    lease.take("alice")
