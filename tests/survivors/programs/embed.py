"""A program that embeds a tree: embed.py with|without COMMAND... (a guardian)."""

import sys

import trio

from trio_supervisor import Supervisor, process


async def main() -> None:
    async with Supervisor(process("agent", sys.argv[2:], stop=0.3), guardian=sys.argv[1] == "with") as tree:
        await tree.wait()


trio.run(main)
