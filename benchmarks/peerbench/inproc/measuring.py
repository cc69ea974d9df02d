"""Shared by the Python programs: memory, and the children: idle until all crash at once, crashing now and then, crashing in a loop."""
import gc, json, os, sys, time

N = int(sys.argv[1])


def pss_kb():
    gc.collect()
    for ln in open("/proc/self/smaps_rollup"):
        if ln.startswith("Pss:"):
            return int(ln.split()[1])


class Children:
    def __init__(self, trio):
        self.trio, self.up, self.died, self.lat, self.loops = trio, 0, 0, [], 0
        self.done, self.storm = trio.Event(), trio.Event()
        self.raged = 0

    async def idle(self):
        self.up += 1
        if self.up > N:
            await self.trio.sleep_forever()
        await self.storm.wait()
        raise ValueError("crash")

    async def crash(self):
        t = time.perf_counter_ns()
        if self.died:
            self.lat.append((t - self.died) / 1000)
        if len(self.lat) >= 1000:
            self.done.set()
            await self.trio.sleep_forever()
        await self.trio.sleep(0.001)
        self.died = time.perf_counter_ns()
        raise ValueError("crash")

    async def loop(self):
        self.loops += 1
        raise ValueError("crash")


async def measure(trio, start_many, start_one):
    """start_many(fn, n) and start_one(fn) start supervised children and return at once"""
    p = Children(trio)
    await start_one(trio.sleep_forever)                  # what is loaded for the first child is no child's
    await trio.sleep(0.2)
    m0, t0 = pss_kb(), time.perf_counter()
    await start_many(p.idle, N)
    while p.up < N:
        await trio.sleep(0)
    start_s = time.perf_counter() - t0
    await trio.sleep(0.5)
    kb = (pss_kb() - m0) / N
    t0 = time.perf_counter()
    p.storm.set()
    while p.up < 2 * N:
        await trio.sleep(0)
    storm_s = time.perf_counter() - t0
    await trio.sleep(0.5)
    await start_one(p.crash)
    await p.done.wait()
    await start_one(p.loop)
    a, t0 = p.loops, time.perf_counter()
    await trio.sleep(2)
    rate = (p.loops - a) / (time.perf_counter() - t0)
    lat = sorted(p.lat)
    print(json.dumps({"n": N, "start_us": 1e6 * start_s / N, "kb": kb, "all_restart_us": 1e6 * storm_s / N, "restart_us": 1e6 / rate, "restart_p50_us": lat[500], "restart_p99_us": lat[990]}), flush=True)
    os._exit(0)                                          # how long it takes to end them all is no part of it
