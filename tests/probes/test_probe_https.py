"""The HTTP probe over TLS."""

import gc
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.probes.probe_servers import Site, Stream, cancelled_at_step, open_descriptors, response, serving
from trio_supervisor.probes import https_client
from trio_supervisor.probes.base import Answer, Target
from trio_supervisor.probes.http import open_http
from trio_supervisor.spec import Http

CHECK = Http("https://127.0.0.1:{port}/")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate for 127.0.0.1 that nobody but itself has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "-"),
        ],
        capture_output=True,
        check=True,
    )
    path.write_bytes(made.stdout)
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """What a server with that certificate needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The system trusts that certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    https_client._tls.cache_clear()
    yield
    https_client._tls.cache_clear()


async def ask_once(port: int) -> Answer:
    async with open_http(CHECK, Target("a", port, None), 5) as probe:
        with trio.fail_after(5):
            return await probe.ask()


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_that_the_system_trusts_is_accepted(tls: ssl.SSLContext) -> None:
    site = Site(lambda _: response())
    async with (
        serving(site, tls=tls) as port,
        open_http(CHECK, Target("a", port, None), 5) as probe,
    ):
        assert probe.port == port
        assert (await probe.ask()).ok
        assert (await probe.ask()).ok

    assert site.connections == 2


async def test_a_certificate_that_nobody_trusts_is_a_failure(tls: ssl.SSLContext) -> None:
    async with serving(Site(lambda _: response()), tls=tls) as port:
        answer = await ask_once(port)

    assert not answer.ok
    assert answer.detail.startswith(f"the certificate of 127.0.0.1:{port} is not accepted: self")


async def test_a_server_without_tls_is_a_failure() -> None:
    async def plain(stream: Stream) -> None:
        await stream.receive_some()
        await stream.send_all(response(400))

    async with serving(plain) as port:
        answer = await ask_once(port)

    assert not answer.ok
    assert answer.detail.startswith(f"no TLS with 127.0.0.1:{port}: ")


async def test_a_server_that_hangs_up_in_the_handshake_is_a_failure() -> None:
    async def hang_up(stream: Stream) -> None:
        await stream.receive_some()

    async with serving(hang_up) as port:
        assert not (await ask_once(port)).ok


@pytest.mark.usefixtures("trusted")
async def test_a_question_can_be_cancelled_at_each_step_and_leaves_no_socket(tls: ssl.SSLContext) -> None:
    site = Site(lambda _: response(200, b"fine"))
    async with serving(site, tls=tls) as port:
        before = open_descriptors()
        gc.disable()  # it would tidy up what was left
        try:
            step, cancelled = -1, True
            while cancelled:
                step += 1
                async with open_http(CHECK, Target("a", port, None), 5) as probe:
                    cancelled = await cancelled_at_step(step, probe.ask)
                    with trio.fail_after(2):
                        assert (await probe.ask()).ok
                await site.wait_deserted()
                assert open_descriptors() == before, f"cancelled at step {step}"
        finally:
            gc.enable()

    assert step > 5


async def test_plain_http_needs_no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> ssl.SSLContext:
        raise AssertionError("the certificates were loaded")

    monkeypatch.setattr(https_client, "_tls", refuse)
    async with (
        serving(Site(lambda _: response())) as port,
        open_http(Http("/"), Target("a", port, None), 5) as probe,
    ):
        assert (await probe.ask()).ok
