"""A program with live sessions, over pipes and terminals, each with a job that has left its terminal, its group and its
session. Says `in place` when all are there.
"""

import trio

from trio_supervisor import Supervisor

JOBS = "trap '' HUP TERM; setsid sleep 600 & sleep 600 & echo in place; set -m; sleep 600"


async def main() -> None:
    async with Supervisor() as tree, tree.sessions() as sessions:
        for stdin in ("pipe", "pty"):
            for owner in ("alice", "bob"):
                session = await sessions.start(owner, ["bash", "-c", JOBS], stdin=stdin, stop=0.3)
                await session.expect("in place")
        print("in place", flush=True)
        await trio.sleep_forever()


trio.run(main)
