"""What a registry is shown: from which file, by which entry, and what is said of what can't be read."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from trio_supervisor.commands import Captured
from trio_supervisor.errors import ProbeError
from trio_supervisor.runtimes.container.credentials import HUB, credentials_for, keys_of
from trio_supervisor.vault import redact


def entry(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


class Desk:
    """A home, programs that keep secrets, and what is said."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.answers: dict[tuple[str, str], Captured | ProbeError] = {}
        self.said: list[str] = []
        self.environ = {"HOME": str(home)}

    def write(self, path: str, content: object) -> None:
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))

    async def ask(self, command: tuple[str, ...], given: bytes) -> Captured:
        program, verb = command
        assert verb == "get"
        answer = self.answers[program, given.decode()]
        if isinstance(answer, ProbeError):
            raise answer
        return answer

    async def shown(self, image: str) -> Mapping[str, str] | None:
        found = await credentials_for(image, self.environ, self.ask, self.said.append)
        return json.loads(base64.urlsafe_b64decode(found)) if found else None


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_without_any_file_nothing_is_shown_and_nothing_said(desk: Desk) -> None:
    assert await desk.shown("registry.example/agent:1") is None
    assert desk.said == []


@pytest.mark.parametrize(
    ("image", "key", "user"),
    [
        ("registry.example/team/agent:1", "registry.example", "them"),
        ("registry.example:5000/agent@sha256:00", "registry.example:5000", "them"),
        ("localhost/agent", "https://localhost/v1/", "them"),
        ("agent:1", HUB, "them"),
        ("team/agent", "docker.io", "them"),
        ("registry.example/agent", "other.example", None),
        ("registry.example.evil/agent", "registry.example", None),
        ("team/agent", "team", None),
    ],
)
async def test_only_the_registry_of_the_image_is_shown_its_own(
    desk: Desk, image: str, key: str, user: str | None
) -> None:
    desk.write(".docker/config.json", {"auths": {key: entry("them", "correct-horse"), "strange": 7}})

    found = await desk.shown(image)

    assert (found and found["username"]) == user
    assert found is None or found["password"] == "correct-horse"
    assert "correct-horse" not in redact("it is correct-horse") or found is None


def test_the_narrowest_entry_comes_first() -> None:
    keys = list(keys_of("quay.io/team/sub/agent:1"))

    assert keys[:3] == ["quay.io/team/sub", "quay.io/team", "quay.io"]


async def test_docker_and_podman_are_both_known_and_a_variable_names_one_alone(desk: Desk) -> None:
    desk.environ["XDG_RUNTIME_DIR"] = str(desk.home / "run")
    desk.write("run/containers/auth.json", {"auths": {"r.example": entry("podman", "p")}})
    found = await desk.shown("r.example/a")
    assert found is not None
    assert found["username"] == "podman"

    desk.write(".docker/config.json", {"auths": {"r.example": entry("docker", "d:with:colons")}})
    found = await desk.shown("r.example/a")
    assert found is not None
    assert (found["username"], found["password"]) == ("docker", "d:with:colons")

    desk.write("other.json", {"auths": {"r.example": {"identitytoken": "tok"}}})
    desk.environ["REGISTRY_AUTH_FILE"] = str(desk.home / "other.json")
    assert await desk.shown("r.example/a") == {"identitytoken": "tok", "serveraddress": "r.example"}


async def test_helpers_are_asked_where_a_file_says_so(desk: Desk) -> None:
    desk.write(".docker/config.json", {"credsStore": "all", "credHelpers": {"r.example": "one"}})
    answer = json.dumps({"Username": "<token>", "Secret": "long"}).encode()
    desk.answers["docker-credential-one", "r.example"] = Captured(0, answer, b"a warning")
    desk.answers["docker-credential-all", HUB] = Captured(0, b'{"Username": "me", "Secret": "s"}', b"")
    desk.answers["docker-credential-all", "x.example"] = Captured(1, b"credentials not found in native keychain\n", b"")

    assert await desk.shown("r.example/a") == {"identitytoken": "long", "serveraddress": "r.example"}
    assert await desk.shown("a") == {"username": "me", "password": "s", "serveraddress": HUB}
    assert await desk.shown("x.example/a") is None
    assert desk.said == []


async def test_what_can_not_be_read_is_said_without_a_secret(desk: Desk) -> None:
    desk.write(".docker/config.json", {"credHelpers": {"r.example": "gone", "s.example": "slow", "t.example": "odd"}})
    desk.answers["docker-credential-gone", "r.example"] = ProbeError("'docker-credential-gone' is not there")
    desk.answers["docker-credential-slow", "s.example"] = Captured(None, b"", b"")
    desk.answers["docker-credential-odd", "t.example"] = Captured(0, b"the-secret", b"")
    for host in ("r", "s", "t"):
        assert await desk.shown(f"{host}.example/a") is None
    desk.write(".docker/config.json", "{")
    assert await desk.shown("r.example/a") is None
    desk.write(".docker/config.json", {"auths": {"r.example": {"auth": "%%%"}}})
    assert await desk.shown("r.example/a") is None

    assert [line.partition(":")[0] for line in desk.said] == [
        "credentials for r.example can't be had",
        "credentials for s.example can't be had",
        "credentials for t.example can't be had",
        "credentials for registries can't be read",
        "credentials for r.example can't be read",
    ]
    assert "does not end" in desk.said[1]
    assert "the-secret" not in "".join(desk.said)
