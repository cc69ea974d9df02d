"""Plain Trio: one supervising task a child, a fresh nursery an incarnation."""
import trio
from measuring import measure


async def supervise(fn):
    while True:
        try:
            async with trio.open_nursery() as n:
                n.start_soon(fn)
        except* Exception:
            pass
        await trio.lowlevel.checkpoint()


async def main():
    async with trio.open_nursery() as nursery:
        async def many(fn, n):
            for _ in range(n):
                nursery.start_soon(supervise, fn)

        async def one(fn):
            nursery.start_soon(supervise, fn)
        await measure(trio, many, one)
        nursery.cancel_scope.cancel()

trio.run(main)
