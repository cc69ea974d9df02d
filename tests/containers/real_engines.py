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

from tests.runtimes.process_helpers import free_ports

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


# Registries of the tests listen here, without TLS.
_REGISTRIES = """[[registry]]
location = "127.0.0.1"
insecure = true
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
        self.certificates = directory / "certificates"
        self.tls_port = 0
        """Where Docker listens with TLS too, for those that show a certificate; 0: nowhere."""
        self._bridge = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def publishes(self) -> bool:
        """Whether ports can be published."""
        return self.kind == "podman" or bool(self._bridge)

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
                # Podman's conmon notes an OOM kill by a file in the directory it is started in.
                cwd=self.directory,
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
        if self._bridge:
            subprocess.run(["ip", "link", "del", self._bridge], check=False, capture_output=True)
        for mount in _mounts(self.directory):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self) -> str:
        """The end of what it has said."""
        with suppress(OSError):
            return (self.directory / "log").read_text(errors="replace")[-4000:]
        return ""

    def clear(self) -> None:
        """Remove all containers that a test has left because it failed."""
        for each in self.containers(all=True):
            self.call("POST", f"/containers/{each['Id']}/kill")
            self.call("DELETE", f"/containers/{each['Id']}?force=1&v=1")

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] = {},
    ) -> httpx.Response:
        """Ask it something, beside what is tested."""
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket)), timeout=PATIENCE) as client:
            headers = {**headers, **({"Content-Type": "application/x-tar"} if content is not None else {})}
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
        registries = self.directory / "registries.conf"
        registries.write_text(_REGISTRIES)
        env = {
            "CONTAINERS_CONF": str(conf),
            "CONTAINERS_STORAGE_CONF": str(storage),
            "CONTAINERS_REGISTRIES_CONF": str(registries),
            "PATH": _path(),
        }
        return ["podman", "system", "service", "--time=0", self.address], env

    def _dockerd(self) -> tuple[list[str], dict[str, str]]:
        conf = self.directory / "daemon.json"
        if not self._bridge and _which("ip") is not None:
            self._bridge = _make_bridge()
        if not self.tls_port and _which("openssl") is not None:
            make_certificates(self.certificates)
            self.tls_port = free_ports().first
        settings: dict[str, object] = {
            "data-root": f"{self.directory}/data",
            "exec-root": f"{self.directory}/exec",
            "pidfile": f"{self.directory}/docker.pid",
            "hosts": [self.address],
            "iptables": False,
            "ip6tables": False,
            # What is published is passed on by a process: no rule of this machine is touched.
            "bridge": self._bridge or "none",
            "userland-proxy": True,
            "ip-forward": False,
            "ip-masq": False,
            "storage-driver": "overlay2",
            "live-restore": True,
        }
        if self.tls_port:
            settings |= {
                "hosts": [self.address, f"tcp://127.0.0.1:{self.tls_port}"],
                "tlsverify": True,
                "tlscacert": f"{self.certificates}/ca.pem",
                "tlscert": f"{self.certificates}/cert.pem",
                "tlskey": f"{self.certificates}/key.pem",
            }
        conf.write_text(json.dumps(settings))
        (self.directory / "docker.pid").unlink(missing_ok=True)
        return [_which("dockerd") or "dockerd", "--config-file", str(conf)], {"PATH": _path()}


def _make_bridge() -> str:
    """A network of this engine's own; "" if there can be none."""
    number = os.getpid() % 65536
    name = f"ts-docker{number}"
    address = f"10.{64 + number % 64}.{number >> 8}.1/24"
    for words in (
        ["add", "name", name, "type", "bridge"],
        ["set", name, "up"],
    ):
        if subprocess.run(["ip", "link", *words], check=False, capture_output=True).returncode:
            return ""
    done = subprocess.run(["ip", "address", "add", address, "dev", name], check=False, capture_output=True)
    return "" if done.returncode else name


def make_certificates(directory: Path) -> None:
    """An authority, and one certificate of it for both sides."""
    directory.mkdir(exist_ok=True)
    extensions = directory / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    authority = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2"]
    for words in (
        ["req", "-x509", *key, "-subj", "/CN=tests", "-days", "2", "-keyout", "ca-key.pem", "-out", "ca.pem"],
        ["req", *key, "-subj", "/CN=engine", "-keyout", "key.pem", "-out", "request.pem"],
        ["x509", "-req", "-in", "request.pem", *authority, *("-extfile", "extensions", "-out", "cert.pem")],
    ):
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)


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
