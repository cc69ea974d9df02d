"""Agents in containers, and what containers may be given, as a file says it."""

from pathlib import Path
from signal import Signals

import pytest
from attrs import evolve

from tests.config.config_files import Files
from trio_supervisor.config.load import explained, load
from trio_supervisor.spec import ContainerPolicy, ContainerSpec, Mount, Port, Publish, Pull, SecretEnv, Stdin

WHOLE = """
agents:
  box:
    port: auto
    stdin: pty
    window: {columns: 100, rows: 30}
    secrets: {KEY: {env: OUR_KEY}}
    limits: {lifetime: 24h, rlimits: {nofile: 1024}}
    health: {engine: true}
    container:
      image: registry.example:5000/agent:1
      command: [serve, "{port}"]
      entrypoint: [/bin/tini]
      env: {A: b}
      cwd: /work
      user: 1000
      mounts: ["./work:/work", "cache:/cache:ro", "/srv/x:/x:rw"]
      tmpfs: ["/tmp:size=64m"]
      network: agents
      ports: ["{port}:8080", "0.0.0.0:53:53/udp"]
      read_only: true
      cap_drop: []
      cap_add: [NET_BIND_SERVICE]
      no_new_privileges: false
      memory: 512M
      cpus: 1.5
      pids: 0
      pull: always
      stop_signal: QUIT
      init: true
      hostname: box
      labels: {team: blue}
      engine: tcp://engine.example:2375
"""


def container(files: Files, text: str) -> ContainerSpec:
    run = files.child(text).run
    assert isinstance(run, ContainerSpec)
    return run


def test_every_key_arrives(files: Files) -> None:
    child = files.child(WHOLE)

    assert child.port == Port(19001, 19100)
    assert child.run == ContainerSpec(
        "registry.example:5000/agent:1",
        command=("serve", "{port}"),
        entrypoint=("/bin/tini",),
        env={"A": "b"},
        cwd="/work",
        user="1000",
        mounts=(Mount(f"{files.directory}/work", "/work"), Mount("cache", "/cache", True), Mount("/srv/x", "/x")),
        tmpfs=("/tmp:size=64m",),
        network="agents",
        ports=(Publish(8080, None), Publish(53, 53, "0.0.0.0", "udp")),
        read_only=True,
        cap_drop=(),
        cap_add=("NET_BIND_SERVICE",),
        no_new_privileges=False,
        memory=512 << 20,
        cpus=1.5,
        pids=0,
        pull=Pull.ALWAYS,
        stop_signal=Signals.SIGQUIT,
        init=True,
        hostname="box",
        labels={"team": "blue"},
        engine="tcp://engine.example:2375",
        secrets={"KEY": SecretEnv("OUR_KEY")},
        stdin=Stdin.PTY,
        window=child.run.window,  # type: ignore[union-attr]
        limits=child.limits,
    )
    assert child.limits.lifetime is not None
    assert child.limits.rlimits == {"nofile": 1024}


def test_little_is_enough_and_the_defaults_are_hard(files: Files) -> None:
    run = container(files, "agents: {box: {container: {image: agent}}}")

    assert (run.cap_drop, run.no_new_privileges, run.pids, run.network) == (("ALL",), True, 256, None)
    assert run.pull is Pull.MISSING


def test_files_of_variables_and_presets_go_with_containers(files: Files) -> None:
    files.write("a.env", "A=1\nB=2\n")
    run = container(files, "agents: {box: {container: {image: a, env: {B: mine}}, env_file: a.env, preset: mcp-stdio}}")

    assert run.env == {"A": "1", "B": "mine"}
    assert run.stdin is Stdin.PIPE


def test_defaults_are_merged_and_what_is_for_others_left_out(files: Files) -> None:
    text = """
    defaults:
      container: {pull: never, memory: 1G}
      command: [x]
      nice: 5
      limits: {memory: 1G, idle: 1h, rlimits: {as: 9, core: 0}}
    agents: {box: {container: {image: a, memory: 2G}}, plain: {command: [y]}}
    """
    children = files.children(text)
    run = children["box"].run

    assert isinstance(run, ContainerSpec)
    assert (run.pull, run.memory, run.limits.idle) == (Pull.NEVER, 2 << 30, children["plain"].limits.idle)
    assert run.limits.memory is None
    assert run.limits.rlimits == {"core": 0}


@pytest.mark.parametrize(
    ("agent", "mistake"),
    [
        ("{container: {}}", "needs 'image'"),
        ("{container: }", "container has no value: write {image: NAME}"),
        ("{container: {image: a, memroy: 1G}}", "unknown key 'memroy'"),
        ("{container: {image: ''}}", "container: image '' must be a name such as registry.example/agent:1"),
        ("{container: {image: localhost/x/../../evil:1}}", "no part of a name can be empty, . or .."),
        ("{container: {image: a//b}}", "no part of a name can be empty, . or .."),
        ("{container: {image: a, memory: 5}}", "memory: a size needs its unit, K, M, G or T: not 5, but such as 500M"),
        ("{container: {image: a, pull: sometimes}}", "pull: must be one of never, missing, always, not 'sometimes'"),
        ("{container: {image: a, mounts: ['x']}}", "mounts: 'x' must be SOURCE:TARGET"),
        ("{container: {image: a, mounts: ['./x:y']}}", "mounts: 'y' must be an absolute path in the container"),
        ("{container: {image: a, ports: ['80']}}", "ports: '80' must be [ADDRESS:]OUTER:INNER"),
        ("{container: {image: a, ports: ['0:80']}}", "ports: '0:80': a port must be within 1 to 65535, not 0"),
        ("{container: {image: a, ports: ['{port}:80']}}", "container: ports: {port} is the child's port"),
        ("{container: {image: a, network: none}, port: auto}", "a port needs a network"),
        ("{container: {image: a, network: host, ports: ['1:1']}}", "container: ports can't be published"),
        ("{container: {image: a, engine: ssh://x}}", "container: engine 'ssh://x' must be unix:///path or tcp://"),
        ("{container: {image: a, cpus: 0}}", "container: cpus must be >= 0.01, not 0"),
        ("{container: {image: a, labels: {trio-supervisor.agent: x}}}", "only the supervisor sets trio-supervisor.*"),
        ("{container: {image: a}, command: [x]}", "'command' stands under 'container'"),
        ("{container: {image: a}, nice: 5}", "'nice' is for processes; it does not go with 'container'"),
        (
            "{container: {image: a}, limits: {memory: 1G}}",
            "limits: memory is for processes; that of a container stands",
        ),
        (
            "{container: {image: a}, limits: {rlimits: {nofile: 9, as: 1G}}}",
            "rlimits: as is for processes; no engine sets it for a container",
        ),
        ("{container: {image: a}, secrets: {A: {env: X}}, stdin: x}", "stdin: must be pipe, pty"),
        ("{container: {image: a, env: {A: b}}, secrets: {A: {env: X}}}", "secret 'A' is in 'env' too"),
        ("{container: {image: a}, stop: [{close_stdin: true}]}", "'close_stdin' needs 'stdin: pipe' or 'stdin: pty'"),
        ("{task: 'a:b', container: {image: a}}", "'container' is for containers; it does not go with 'task'"),
        ("{command: [x], health: {engine: true}}", "engine is for children that are containers"),
    ],
)
def test_a_mistake_is_told_once(files: Files, agent: str, mistake: str) -> None:
    (found,) = files.mistakes(f"agents:\n  box: {agent}\n")

    assert mistake in found


# What may be given


def test_a_policy_arrives(files: Files) -> None:
    text = "containers: {images: [a], deny_mounts: [/x], deny_env: [Y]}\nagents: {box: {container: {image: a}}}"

    assert files.load(text).spec.containers == ContainerPolicy(("a",), ("/x",), ("Y",))
    assert files.load("agents: {a: {command: [x]}}").spec.containers == ContainerPolicy()


def test_everything_that_is_not_allowed_is_told_where_it_stands(files: Files) -> None:
    text = """containers: {images: ["registry.example/**"]}
agents:
  box:
    container:
      image: other
      env: {LD_PRELOAD: x.so}
      mounts: ["/:/all"]
"""
    found = files.mistakes(text)

    assert [each.split(": ")[0] for each in found] == ["5:14", "6:12", "7:15"]
    assert "image 'other' is not allowed" in found[0]
    assert "'LD_PRELOAD' is not allowed" in found[1]
    assert "'/' is not allowed: it contains /boot (containers: deny_mounts)" in found[2]


@pytest.mark.parametrize("path", ["/etc", "/etc/ssl", "/var", "/run/user/1/x.sock", "/proc/../etc", "~/.ssh"])
def test_what_is_denied_is_denied_in_part_and_around(path: str) -> None:
    spec = ContainerSpec("a", mounts=(f"{path}:/x",))

    assert [name for name, _ in ContainerPolicy().faults(spec)] == ["mounts"]


def test_a_link_is_followed_on_both_sides(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "other").symlink_to(tmp_path / "secret")
    policy = ContainerPolicy(deny_mounts=(f"{tmp_path}/link",))

    for path in ("secret", "other", "link", "."):
        faults = list(policy.faults(ContainerSpec("a", mounts=(Mount(f"{tmp_path}/{path}", "/x"),))))
        assert faults, path
    (tmp_path / "secrets").mkdir()
    assert not list(policy.faults(ContainerSpec("a", mounts=(Mount(f"{tmp_path}/secrets", "/x"),))))


@pytest.mark.parametrize(
    ("path", "relation"), [("/x/keys", "it is"), ("/x/keys/a", "it is in"), ("/x", "it contains"), ("/x/keyso", "")]
)
def test_how_a_mount_stands_to_what_is_denied_is_said(path: str, relation: str) -> None:
    spec = ContainerSpec("a", mounts=(f"{path}:/x",))
    found = [fault for _, fault in ContainerPolicy(deny_mounts=("/x/keys",)).faults(spec)]

    expected = f"container: mounts: '{path}' is not allowed: {relation} /x/keys (containers: deny_mounts)"
    assert found == ([expected] if relation else [])


@pytest.mark.parametrize("path", ["/srv/e.sock", "/srv", "/srv/link"])
def test_the_socket_of_its_engine_is_denied_whatever_the_policy_says(files: Files, path: str) -> None:
    text = f"""containers: {{deny_mounts: []}}
agents:
  box: {{container: {{image: a, engine: "unix:///srv/e.sock", mounts: ["{path}:/x", "/srv2:/y"]}}}}
"""
    if path.endswith("link"):
        link = files.directory / "link"
        link.symlink_to("/srv/e.sock")
        text = text.replace(path, str(link))
    (found,) = files.mistakes(text)

    assert "/srv/e.sock, the socket of its engine, which no container gets" in found


def test_what_is_private_is_denied_whatever_the_policy_says(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "state")
    policy, private = ContainerPolicy(deny_mounts=()), {f"{tmp_path}/link": "the state directory"}

    for path in ("state", "state/control.sock", "link", "."):
        spec = ContainerSpec("a", mounts=(Mount(f"{tmp_path}/{path}", "/x"),))
        assert list(policy.faults(spec, private)), path
        assert not list(policy.faults(spec))


@pytest.mark.parametrize("network", ["container:other", "ns:/proc/1/ns/net"])
def test_the_network_of_others_is_joined_only_where_that_is_asked_for_on_purpose(files: Files, network: str) -> None:
    text = f"""
agents:
  box:
    container: {{image: a, network: "{network}"}}
"""
    (found,) = files.mistakes(text)

    assert f"network '{network}' is not allowed (containers: deny_networks)" in found
    assert container(files, "containers: {deny_networks: []}" + text).network == network


@pytest.mark.parametrize(
    ("pattern", "allowed", "refused"),
    [
        ("agent", ["agent", "agent:2", "docker.io/library/agent", "agent@sha256:ab"], ["agents", "x/agent", "agent/x"]),
        (
            "agent:1",
            ["agent:1"],
            ["agent", "agent:12", "agent@sha256:ab", "evil/agent:1", "agent:1@sha256:ab"],
        ),
        ("agent:*", ["agent:1", "agent"], ["agent:1@sha256:ab", "agent@sha256:ab"]),
        ("agent:1@sha256:ab", ["agent:1@sha256:ab", "agent@sha256:ab"], ["agent:1", "agent:1@sha256:ac"]),
        ("agent:latest", ["agent", "agent:latest"], ["agent:1"]),
        ("agent:1.*", ["agent:1.2"], ["agent:2", "agent"]),
        ("reg.example/team/*", ["reg.example/team/a:1"], ["reg.example/team/a/b", "reg.example/team", "team/a"]),
        ("reg.example/**", ["reg.example/a", "reg.example/a/b:1"], ["reg.example.evil/a", "docker.io/reg.example/a"]),
        ("reg.example:5000/a", ["reg.example:5000/a:1"], ["reg.example/a"]),
        ("a@sha256:ab", ["a@sha256:ab", "a:1@sha256:ab"], ["a", "a@sha256:abc"]),
        ("localhost/*", ["localhost/a"], ["docker.io/localhost/a", "a"]),
    ],
)
def test_a_pattern_ends_at_the_borders_of_names(pattern: str, allowed: list[str], refused: list[str]) -> None:
    policy = ContainerPolicy(images=(pattern,))
    taken = [image for image in (*allowed, *refused) if not list(policy.faults(ContainerSpec(image)))]

    assert taken == allowed


# What is hardly meant

DOCKER_ACCEPTS = (
    "Docker accepts connections at a published port, whether or not anything in the container listens: ask by http, "
    "exec or log"
)
PODMAN_KEEPS = "Podman keeps two processes for 5 minutes after each: write a period of 10s or more, or ask otherwise"


@pytest.mark.parametrize(
    ("more", "probe", "warning"),
    [
        ("", "readiness: {tcp: '{port}'}", f"readiness: {DOCKER_ACCEPTS}"),
        ("", "startup: {tcp: '127.0.0.1:{port}'}", f"startup: {DOCKER_ACCEPTS}"),
        ("", "health: {tcp: 8080, period: 1m}", f"health: {DOCKER_ACCEPTS}"),
        ("", "health: {tcp: 8081, period: 1m}", ""),
        ("network: host", "readiness: {tcp: '{port}'}", ""),
        ("", "health: {exec: [x], period: 1s, timeout: 1s}", f"health: exec every 1s: {PODMAN_KEEPS}"),
        ("", "readiness: {exec: [x]}", f"readiness: exec every 5s: {PODMAN_KEEPS}"),
        ("", "health: {exec: [x], period: 10s}", ""),
        ("", "startup: {exec: [x], period: 1s, timeout: 1s}", ""),
        ("", "readiness: {http: /health}", ""),
    ],
)
def test_a_probe_that_says_nothing_or_costs_much_is_warned_of(
    files: Files, more: str, probe: str, warning: str
) -> None:
    ports = more or "ports: ['{port}:80', '8080:81']"
    text = f"agents:\n  box:\n    container: {{image: a, {ports}}}\n    port: auto\n    {probe}\n"
    found = [each.partition(": ")[2] for each in files.load(text).warnings]

    assert found == ([warning] if warning else [])


# Written out


def test_what_is_written_out_means_the_same_and_shows_what_is_kept_from_it(files: Files) -> None:
    text = WHOLE + "  plain: {container: {image: agent}}\n  web: {container: {image: agent}, port: auto}\n"
    path = files.write("main.yaml", text)
    lines = explained(path, environ={})
    again = load(files.write("again.yaml", "\n".join(lines)), environ={}).spec
    first = files.load(text).spec

    networks = {"plain": "none", "web": "bridge"}
    expected = [
        evolve(one.run, network=networks[one.id])
        if one.id in networks and isinstance(one.run, ContainerSpec)
        else one.run
        for one in first.children
    ]
    assert [one.run for one in again.children] == expected
    plain = "\n".join(lines).partition("  plain:")[2].partition("  web:")[0]
    for shown in ("cap_drop: [ALL] ", "no_new_privileges: true ", "pids: 256 ", "network: none ", "read_only: false "):
        assert shown in plain


def test_what_containers_may_be_given_is_written_out_where_there_are_any(files: Files) -> None:
    text = "containers: {deny_env: []}\nagents: {group: {agents: {box: {container: {image: a}}}}}"
    lines = list(explained(files.write("main.yaml", text), environ={}))

    written = lines[lines.index("containers:") : lines.index("supervisor:")]
    assert written[1].startswith("  deny_mounts: [/boot, /dev, /etc, ")
    assert written[1].endswith("# default")
    assert [each.split("#")[0].strip() for each in written[2:-1]] == [
        "deny_env: []",
        'deny_networks: ["container:*", "ns:*"]',
    ]
    assert written[-1] == "  # not set: images"
    assert load(files.write("again.yaml", "\n".join(lines)), environ={}).spec.containers == ContainerPolicy(deny_env=())
    plain = explained(files.write("plain.yaml", "agents: {a: {command: [x]}}"), environ={})
    assert "containers:" not in list(plain)
