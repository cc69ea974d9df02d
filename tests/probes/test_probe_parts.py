"""What the probes are made of: comparing JSON, words, places, the checks of their specs, what importing them costs."""

import errno
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trio_supervisor
from trio_supervisor.errors import ProbeError, SpecError
from trio_supervisor.probes.base import OpenProbe, Target
from trio_supervisor.probes.http import open_http
from trio_supervisor.probes.json_match import difference
from trio_supervisor.probes.network import at, is_this_machine, why
from trio_supervisor.probes.tcp import open_tcp
from trio_supervisor.spec import A2A, Exec, Http, Tcp, split_address
from trio_supervisor.words import one_line, took

# JSON

few = settings(max_examples=50, deadline=None)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("expected", "actual", "words"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, None),
        ({"a": {"b": [1, {"c": None}]}}, {"a": {"b": [1, {"c": None}], "d": 0}}, None),
        ({}, {"a": 1}, None),
        (1, 1.0, None),
        ((1, 2), [1, 2], None),
        ({"a": 1}, {}, "a is missing, expected 1"),
        ({"a": {"b": "ok"}}, {"a": {"b": "down"}}, 'a.b is "down", expected "ok"'),
        ({"a": {"b": 1}}, {"a": 1}, 'a is 1, expected {"b": 1}'),
        ({"a": None}, {}, "a is missing, expected null"),
        ({"a": True}, {"a": 1}, "a is 1, expected true"),
        ({"a": 0}, {"a": False}, "a is false, expected 0"),
        ({"a": [1]}, {"a": [1, 2]}, "a is [1, 2], expected [1]"),
        ([{"a": 1}], [{"a": 1, "b": 2}], 'the body is [{"a": 1, "b": 2}], expected [{"a": 1}]'),
        ([True], [1], "the body is [1], expected [true]"),
        ("1", 1, 'the body is 1, expected "1"'),
        ({"a": 1}, [], 'the body is [], expected {"a": 1}'),
        ({"ä": "ü"}, {"ä": "\x1b"}, 'ä is "\\u001b", expected "ü"'),
    ],
)
def test_where_json_is_not_as_expected(expected: object, actual: object, words: str | None) -> None:
    assert difference(expected, actual) == words


@few
@given(json_values)
def test_json_holds_itself(value: object) -> None:
    assert difference(value, value) is None


@few
@given(st.dictionaries(st.text(max_size=3), json_values, max_size=3), json_values)
def test_a_further_key_changes_nothing_and_a_missing_one_is_noticed(value: dict[str, object], more: object) -> None:
    larger = {**value, "further": more}

    assert difference(value, larger) is None
    assert difference(larger, value) is not None


# Words


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        ("  two\nlines\t here ", "two lines here"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07", "\N{REPLACEMENT CHARACTER}]0;title\N{REPLACEMENT CHARACTER}"),
        ("a" * 11, "aaaaaaaaa\N{HORIZONTAL ELLIPSIS}"),
        ("a" * 10, "a" * 10),
        ("\n" * 10_000 + "x", ""),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text, 10 if "a" * 10 in text else 160) == line


@few
@given(st.text(), st.integers(1, 50))
def test_one_line_is_printable_and_short(text: str, longest: int) -> None:
    line = one_line(text, longest)

    assert line.isprintable()
    assert len(line) <= longest


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.0002, "0.2 ms"), (0.0031, "3 ms"), (0.25, "250 ms"), (1.44, "1.4 s"), (75, "75.0 s")]
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert took(seconds) == words


# Places


def test_addresses_of_this_machine() -> None:
    for host in ("127.0.0.1", "127.1.2.3", "::1", "0.0.0.0", "::", "localhost", "LOCALHOST.", "a.localhost"):
        assert is_this_machine(host), host
    assert is_this_machine("::ffff:127.0.0.1")
    assert is_this_machine(socket.gethostname())


def test_addresses_of_other_machines() -> None:
    for host in ("192.0.2.1", "2001:db8::1", "example.org", "notlocalhost", "::ffff:192.0.2.1"):
        assert not is_this_machine(host), host


def test_the_address_of_a_network_card_is_of_this_machine() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing, but picks the card
        except OSError:
            pytest.skip("no network")
        address = sock.getsockname()[0]

    assert is_this_machine(address)


def test_a_place_is_written_as_in_a_url() -> None:
    assert at("127.0.0.1", 80) == "127.0.0.1:80"
    assert at("::1", 80) == "[::1]:80"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EHOSTUNREACH, "x"), "no route to h:1"),
        (OSError(errno.EACCES, "x"), "h:1: permission denied"),
        (OSError("strange"), "h:1: strange"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
         "the host of h:1 can't be found: Name or service not known"),
    ],
)  # fmt: skip
def test_reasons_in_words(error: OSError, words: str) -> None:
    assert why(error, "h:1") == words


@contextmanager
def without_descriptors() -> Iterator[None]:
    """No descriptor can be opened meanwhile."""
    with open("/dev/null") as next_free:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_free.fileno(), hard))
        number = next_free.fileno()
    try:
        with pytest.raises(OSError, match="Too many open files"):
            open(f"/dev/fd/{number}").close()
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def no_descriptor_left(probe: OpenProbe) -> None:
    with without_descriptors(), pytest.raises(ProbeError, match="Too many open files"):
        await probe.ask()


async def test_that_we_lack_descriptors_says_nothing_of_the_child() -> None:
    target = Target("a", 9, None)
    async with open_tcp(Tcp("{port}"), target, 1) as tcp, open_http(Http("/"), target, 1) as http:
        assert not (await tcp.ask()).ok
        assert not (await http.ask()).ok
        await no_descriptor_left(tcp)
        await no_descriptor_left(http)
        assert not (await http.ask()).ok


# Specs


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("80", ("127.0.0.1", 80)),
        ("h:80", ("h", 80)),
        ("[::1]:80", ("::1", 80)),
        ("::1:80", ("::1", 80)),
    ],
)
def test_places_are_split(text: str, place: tuple[str, int]) -> None:
    assert split_address(text) == place


@pytest.mark.parametrize("text", ["", "x", ":80", "h:", "h:0", "h:65536", "h:-1", "a b:80", "h/p:80", "h:8_0", "h:²"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="tcp"):
        Tcp(text)


@pytest.mark.parametrize("url", ["/", "/{id}/x?y=1", "http://h:{port}/", "https://h", "HTTPS://[::1]:1/"])
def test_urls_and_paths_are_accepted(url: str) -> None:
    assert Http(url).http == url


@pytest.mark.parametrize(
    "url", ["", "health", "ftp://h/", "http://", "http:///x", "http://h:0/", "http://h:99999/", "/a\nb"]
)
def test_what_is_neither_url_nor_path_is_refused(url: str) -> None:
    with pytest.raises(SpecError, match="http"):
        Http(url)


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "GE T"},
        {"method": ""},
        {"status": ()},
        {"status": (200, 99)},
        {"body": "("},
        {"host": "a b"},
        {"host": "http://h"},
        {"host": "[::1]"},
        {"headers": {"A b": "x"}},
        {"headers": {"A": "x\r\nB: y"}},
        {"headers": {"A": "\N{SNOWMAN}"}},
    ],
)
def test_what_can_not_be_asked_by_http_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="http"):
        Http("/", **wrong)  # type: ignore[arg-type]


def test_other_specs_that_can_not_be_right_are_refused() -> None:
    with pytest.raises(SpecError, match="a2a"):
        A2A(a2a=False)
    with pytest.raises(SpecError, match="a2a: host"):
        A2A(host="")
    with pytest.raises(SpecError, match="exec"):
        Exec(())


# Imports


def test_only_tls_imports_httpx() -> None:
    program = "import sys, trio_supervisor.probes.{0}; sys.exit('httpx' in sys.modules)"
    for kind, imports_it in (("tcp", 0), ("exec", 0), ("http", 0), ("plain_client", 0), ("https_client", 1)):
        done = subprocess.run([sys.executable, "-c", program.format(kind)], check=False)
        assert done.returncode == imports_it, kind


def test_two_modules_import_httpx() -> None:
    (package,) = trio_supervisor.__path__
    importers = [path.name for path in Path(package).rglob("*.py") if "import httpx" in path.read_text()]

    assert sorted(importers) == ["http.py", "https_client.py"]
