"""What it costs when many agents say a little each: 200 agents with 1,000 lines a second each, through a real `run`.

python benchmarks/layers/chatter.py [AGENTS [SECONDS [NAME OF A CASE]...]]
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

CHILD = """
import os, time
due = time.monotonic()
line = b"2026-11-21 08:00:00,123 INFO  some.module: handled GET /a/b/c status=200 duration=12ms user=abcde\\n"
while True:
    os.write(1, line * 10)
    due += 0.01
    time.sleep(max(0, due - time.monotonic()))
"""
LINE_BYTES = 98
SECRETS = [f"sk-benchmark-{number}-0123456789abcdefghij" for number in range(10)]


def cases() -> Iterator[tuple[str, dict[str, object], list[str]]]:
    """Name, keys of every agent, options of `run`."""
    file = {"file": "logs/{id}.log", "console": False}
    yield "raw files", {"log": {**file, "format": "raw"}}, []
    yield "files with name and time", {"log": file}, []
    yield "files of JSON lines", {"log": {**file, "format": "json"}}, []
    yield "shown by run, with name", {}, []
    yield "shown by run as JSON", {}, ["--log-format", "json"]
    for count in (1, 3, 10):
        secrets = {f"KEY{number}": {"file": f"key{number}"} for number in range(count)}
        yield f"raw files, {count} secrets", {"log": {**file, "format": "raw"}, "secrets": secrets}, []


def cpu(pid: int) -> float:
    """Seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read(pid: int) -> int:
    """Bytes that a process has read, ever."""
    return int(Path(f"/proc/{pid}/io").read_text().split()[1])


def measure(name: str, keys: dict[str, object], options: list[str], agents: int, seconds: float) -> None:
    """Run them and print what the supervisor has used."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        for number, secret in enumerate(SECRETS):
            Path(place, f"key{number}").write_text(secret)
        agent = {"command": [sys.executable, "-S", "-E", "-c", CHILD], "stop": {"grace": "0s"}, **keys}
        file = Path(place, "supervisor.yaml")
        file.write_text(json.dumps({"agents": {f"a{number}": agent for number in range(agents)}}))
        command = [sys.executable, "-m", "trio_supervisor", "run", str(file), "--state-dir", place + "/state", *options]
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(8)
            used_before, read_before, start = cpu(run.pid), read(run.pid), time.monotonic()
            time.sleep(seconds)
            used, lines = cpu(run.pid) - used_before, (read(run.pid) - read_before) / LINE_BYTES
            took = time.monotonic() - start
            resident = int(Path(f"/proc/{run.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        finally:
            run.send_signal(signal.SIGTERM)
            run.wait(60)
    rates = f"{lines / took:8,.0f} lines/s {used / took:6.0%} of a core {used / lines * 1e6:6.2f} us a line"
    print(f"{name:28} {rates} {resident / 1e6:6.0f} MB", flush=True)


if __name__ == "__main__":
    how_many = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for case in cases():
        if len(sys.argv) < 4 or case[0] in sys.argv[3:]:
            measure(*case, agents=how_many, seconds=float(sys.argv[2]) if len(sys.argv) > 2 else 8)
