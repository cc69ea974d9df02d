"""What an engine is asked for: the body of a ContainerCreate (Docker Engine API) for one life of a child."""

import re
from collections.abc import Mapping, Sequence

from trio_supervisor.runtimes.base import Launch
from trio_supervisor.spec import LABELS, ContainerSpec, Stdin, expand, is_owned
from trio_supervisor.spec.container import Mount, Publish
from trio_supervisor.spec.process import UNLIMITED

INSTANCE = f"{LABELS}instance"
AGENT = f"{LABELS}agent"
GENERATION = f"{LABELS}generation"

_LONGEST_NAME = 80


def name_of(launch: Launch, instance: str, number: int) -> str:
    """A name that no other container has; `number`: which one of its instance it is."""
    child = re.sub(r"[^A-Za-z0-9_-]", ".", launch.child)[-_LONGEST_NAME:].strip("._-") or "agent"
    return f"{child}.{launch.generation}.{instance}.{number}"


def network_of(spec: ContainerSpec, port: int | None) -> str:
    """Its network: what is asked for, else as little as its ports need."""
    return spec.network or ("none" if port is None and not spec.ports else "bridge")


def published(spec: ContainerSpec, port: int | None) -> tuple[Publish, ...]:
    """What is published: what is asked for, and the child's port."""
    if port is None or network_of(spec, port) == "host" or any(each.outer is None for each in spec.ports):
        return spec.ports
    return (Publish(None, None), *spec.ports)


def variables(spec: ContainerSpec, launch: Launch, port: int | None, secrets: Mapping[str, str]) -> dict[str, str]:
    """Its environment, beside that of the image. Nothing of the supervisor's own is inherited."""
    inner = spec.inner_port(port)
    env = {name: expand(value, launch.child, inner) for name, value in spec.env.items() if not is_owned(name)}
    env |= secrets
    env |= {
        "AGENT_ID": launch.child,
        "AGENT_GENERATION": str(launch.generation),
        "AGENT_RESTART_COUNT": str(launch.restart_count),
        "AGENT_RESTART_REASON": launch.restart_reason,
    }
    return env if inner is None else {**env, "AGENT_PORT": str(inner)}


def form_of(
    spec: ContainerSpec,
    launch: Launch,
    port: int | None,
    instance: str,
    env: Mapping[str, str],
    mounts: Sequence[tuple[Mount, str]],
) -> dict[str, object]:
    """The body; `mounts`: each with its source as it is now, links followed."""
    inner = spec.inner_port(port)
    ports = published(spec, port)
    reads = spec.stdin is not Stdin.NULL
    form: dict[str, object] = {
        "Image": spec.image,
        "Cmd": [expand(word, launch.child, inner) for word in spec.command] or None,
        "Entrypoint": None if spec.entrypoint is None else list(spec.entrypoint),
        "Env": [f"{name}={value}" for name, value in env.items()],
        "WorkingDir": spec.cwd,
        "User": spec.user,
        "Hostname": spec.hostname,
        "Tty": spec.stdin is Stdin.PTY,
        "OpenStdin": reads,
        # The end of what we send is the end of what it reads.
        "StdinOnce": reads,
        "AttachStdin": reads,
        "AttachStdout": True,
        "AttachStderr": True,
        "ExposedPorts": {_inner(each, port): {} for each in ports},
        "Labels": {
            **spec.labels,
            INSTANCE: instance,
            AGENT: launch.child,
            GENERATION: str(launch.generation),
        },
        "HostConfig": _host(spec, port, ports, mounts),
    }
    return {name: value for name, value in form.items() if value is not None}


def _host(
    spec: ContainerSpec, port: int | None, ports: Sequence[Publish], mounts: Sequence[tuple[Mount, str]]
) -> dict[str, object]:
    host: dict[str, object] = {
        "NetworkMode": network_of(spec, port),
        "PortBindings": _bindings(ports, port),
        "Binds": [str(each) for each, _ in mounts if not each.is_path],
        "Mounts": [_bind(each, source) for each, source in mounts if each.is_path],
        "Tmpfs": dict(_tmpfs(each) for each in spec.tmpfs),
        "ReadonlyRootfs": spec.read_only,
        "CapDrop": list(spec.cap_drop),
        "CapAdd": list(spec.cap_add),
        "SecurityOpt": ["no-new-privileges"] if spec.no_new_privileges else [],
        "PidsLimit": spec.pids,
        # We restart, and nobody else.
        "RestartPolicy": {"Name": "no"},
        # What it says is kept here; without a limit the engine's copy would fill its disk.
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m"}},
    }
    if spec.stdin is Stdin.PTY:
        # Older engines take no notice of it; the size is set once more when it is started.
        host["ConsoleSize"] = [spec.window.rows, spec.window.columns]
    if spec.limits.rlimits:
        host["Ulimits"] = [_ulimit(name, value) for name, value in spec.limits.rlimits.items()]
    if spec.init:
        host["Init"] = True
    if spec.memory is not None:
        host |= {"Memory": spec.memory, "MemorySwap": spec.memory}
    if spec.cpus is not None:
        host["NanoCpus"] = int(spec.cpus * 1e9)
    return host


def _bind(mount: Mount, source: str) -> dict[str, object]:
    # Of a source that is not there Binds would make a directory, on the engine's machine, as root.
    return {"Type": "bind", "Source": source, "Target": mount.target, "ReadOnly": mount.read_only}


def _bindings(ports: Sequence[Publish], port: int | None) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for each in ports:
        outer = {"HostIp": each.address, "HostPort": str(each.outer or port)}
        found.setdefault(_inner(each, port), []).append(outer)
    return found


def _ulimit(name: str, value: int) -> dict[str, object]:
    # What engines call unlimited; RLIM_INFINITY is another number on other systems.
    value = -1 if value == UNLIMITED else value
    return {"Name": name, "Soft": value, "Hard": value}


def _inner(each: Publish, port: int | None) -> str:
    return f"{each.inner or port}/{each.protocol}"


def _tmpfs(text: str) -> tuple[str, str]:
    path, _, options = text.partition(":")
    return path, options
