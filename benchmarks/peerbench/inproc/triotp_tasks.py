import logbook, trio
from triotp import supervisor
from measuring import measure

logbook.NullHandler().push_application()


async def main():
    async with trio.open_nursery() as nursery:
        opts = supervisor.options(max_restarts=10**9, max_seconds=1)
        spec = lambda i, fn: supervisor.child_spec(id=str(i), task=fn, args=[], restart=supervisor.restart_strategy.PERMANENT)   # noqa: E731

        async def many(fn, n):
            await nursery.start(supervisor.start, [spec(i, fn) for i in range(n)], opts)

        async def one(fn):
            await nursery.start(supervisor.start, [spec("x", fn)], opts)
        await measure(trio, many, one)
        nursery.cancel_scope.cancel()

trio.run(main)
