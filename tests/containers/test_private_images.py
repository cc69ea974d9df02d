"""An image that only those get who have a password, with what `docker login` has kept of it."""

import base64
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.containers.helpers import BOUND, eventually, life_of, live
from tests.containers.real_engines import RealEngine
from tests.containers.registry import PASSWORD, USER, push, registry
from trio_supervisor.errors import StartError
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.spec import ContainerSpec, Pull

pytestmark = pytest.mark.containers


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with registry(tmp_path / "registry") as address:
        yield address


def packed(password: str) -> str:
    return base64.b64encode(f"{USER}:{password}".encode()).decode()


async def test_credentials_are_read_at_each_fetch(address: str, real: RealEngine, tmp_path: Path) -> None:
    image = push(real, address)
    spec = ContainerSpec(image, ("echo", "inside"), engine=real.address)
    # Nobody has logged in, then somebody with a wrong password.
    for entries in ({}, {address: {"auth": packed("wrong")}}):
        (tmp_path / "config.json").write_text(json.dumps({"auths": entries}))
        life, _ = life_of(spec)
        with trio.fail_after(BOUND), pytest.raises(StartError, match=r"(?i)auth|denied"):
            await life.start()
    await eventually(lambda: not real.containers())

    (tmp_path / "config.json").write_text(json.dumps({"auths": {address: {"auth": packed(PASSWORD)}}}))
    life, heard = life_of(spec)

    assert (await live(life)).clean
    assert heard.said() == b"inside\n"
    assert PASSWORD.encode() not in heard.said(Stream.SUPERVISOR)


async def test_a_helper_is_asked(
    address: str, real: RealEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = push(real, address)
    helper = tmp_path / "docker-credential-tests"
    answer = json.dumps({"ServerURL": address, "Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\n[ $1 = get ] && [ \"$(cat)\" = {address} ] && echo '{answer}'\necho a remark >&2\n")
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {address: "tests"}}))
    life, _ = life_of(ContainerSpec(image, ("true",), engine=real.address, pull=Pull.ALWAYS))

    assert (await live(life)).clean
