"""Real engines for tests: Debian's podman and docker.io, each with a store and a socket of its own."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

IMAGE = "localhost/bb:1"
"""A static busybox, and nothing else; made without any registry."""
PATIENCE = 30.0

_PODMAN = """[containers]
default_ulimits = ["nofile=10000:10000", "nproc=9000:9000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""


def why_not(kind: str) -> str:
    """Why this engine can't run here; empty if it can."""
    if os.geteuid() != 0:
        return "containers: the engines of the tests need root"
    needed = {"podman": ("podman", "runc"), "docker": ("dockerd", "runc")}[kind]
    for program in (*needed, "busybox"):
        if _which(program) is None:
            return f"containers: {program} is not installed (apt-get install podman runc netavark docker.io)"
    return ""


def _which(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class RealEngine:
    """An engine that runs, is killed and started again."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.kind = kind
        self.directory = directory
        self.socket = directory / f"{kind}.sock"
        self.address = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns when it answers."""
        self.directory.mkdir(exist_ok=True)
        command, env = self._podman() if self.kind == "podman" else self._dockerd()
        with open(self.directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **env},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        until = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                text = (self.directory / "log").read_text(errors="replace")[-800:]
                self.kill()
                pytest.skip(f"containers: {self.kind} does not come up here: {text}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it as a package update does: what it runs lives on."""
        assert self._process is not None
        # A killed dockerd takes its containerd along, whose files are locked for a while.
        self._process.send_signal(signal.SIGTERM if self.kind == "docker" else signal.SIGKILL)
        self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it by force."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Let it hang."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Remove all containers, then end it in order."""
        if self._process is None:
            return
        self.resume()
        with suppress(httpx.HTTPError):
            self.clear()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
        for mount in _mounts(self.directory):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def clear(self) -> None:
        """Remove all containers that a test has left because it failed."""
        for each in self.containers(all=True):
            self.call("POST", f"/containers/{each['Id']}/kill")
            self.call("DELETE", f"/containers/{each['Id']}?force=1&v=1")

    def call(self, method: str, path: str, body: object = None, content: bytes | None = None) -> httpx.Response:
        """Ask it something, beside what is tested."""
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket)), timeout=PATIENCE) as client:
            headers = {"Content-Type": "application/x-tar"} if content is not None else {}
            return client.request(method, f"http://engine{path}", json=body, content=content, headers=headers)

    def containers(self, *, all: bool = True, label: str = "") -> list[Mapping[str, object]]:
        """What there is."""
        filters = f"&filters={json.dumps({'label': [label]})}" if label else ""
        found = self.call("GET", f"/containers/json?all={int(all)}{filters}").json()
        assert isinstance(found, list)
        return found

    def make_image(self) -> None:
        """Import the image."""
        repository, _, tag = IMAGE.rpartition(":")
        self.call(
            "POST", f"/images/create?fromSrc=-&repo={repository}&tag={tag}", content=_busybox()
        ).raise_for_status()
        if self.call("GET", f"/images/{IMAGE}/json").status_code == 404:
            # Podman 4 takes no notice of the tag.
            self.call("POST", f"/images/{repository}:latest/tag?repo={repository}&tag={tag}").raise_for_status()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError, httpx.HTTPError):
            probe.connect(str(self.socket))
            return self.call("GET", "/_ping").status_code == 200
        return False

    def _podman(self) -> tuple[list[str], dict[str, str]]:
        conf, storage = self.directory / "containers.conf", self.directory / "storage.conf"
        conf.write_text(_PODMAN)
        storage.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.directory}/graph"\nrunroot = "{self.directory}/run"\n'
        )
        env = {"CONTAINERS_CONF": str(conf), "CONTAINERS_STORAGE_CONF": str(storage), "PATH": _path()}
        return ["podman", "system", "service", "--time=0", self.address], env

    def _dockerd(self) -> tuple[list[str], dict[str, str]]:
        conf = self.directory / "daemon.json"
        settings = {
            "data-root": f"{self.directory}/data",
            "exec-root": f"{self.directory}/exec",
            "pidfile": f"{self.directory}/docker.pid",
            "hosts": [self.address],
            "iptables": False,
            "ip6tables": False,
            "bridge": "none",
            "storage-driver": "overlay2",
            "live-restore": True,
        }
        conf.write_text(json.dumps(settings))
        (self.directory / "docker.pid").unlink(missing_ok=True)
        return [_which("dockerd") or "dockerd", "--config-file", str(conf)], {"PATH": _path()}


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _mounts(directory: Path) -> list[str]:
    with open("/proc/self/mounts") as file:
        return sorted((line.split()[1] for line in file if line.split()[1].startswith(str(directory))), reverse=True)


def _busybox() -> bytes:
    path = _which("busybox")
    assert path is not None
    names = subprocess.run([path, "--list"], capture_output=True, check=True, text=True).stdout.split()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for directory in ("bin", "tmp", "etc"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if directory == "tmp" else 0o755
            tar.addfile(entry)
        tar.add(os.path.realpath(path), "bin/busybox")
        for name in names:
            if name != "busybox":
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
    return made.getvalue()
