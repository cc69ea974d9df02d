"""No secret survives, in whatever form and chunks it comes; all else comes out as it went in."""

import base64
import json
import re
import sys
from itertools import accumulate, pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trio_supervisor.redaction import HELD, MARK, SHORTEST, VALUE_OVERHEAD, RedactedStream, Redactor, Vault

KEY = b"sk-4f9a/Zq+71~b x?"

# Few letters, so that values overlap, repeat and contain each other; none that the mark has.
VALUES = st.lists(st.text("xyz\n", min_size=1, max_size=14).map(str.encode), min_size=1, max_size=4)


@st.composite
def said(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """Values, and what is said with some of them in it."""
    values = draw(VALUES)
    pieces = draw(st.lists(st.sampled_from(values) | st.text("xyz\n", max_size=9).map(str.encode), max_size=8))
    return values, b"".join(pieces)


@st.composite
def chunked(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """The same in chunks."""
    values, data = draw(said())
    borders = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return values, [data[start:end] for start, end in zip([0, *borders], [*borders, len(data)], strict=True)]


def through(stream: RedactedStream, chunks: list[bytes], *, impatient: bool = False) -> bytes:
    """What comes out at the other end; `impatient` flushes after each chunk."""
    given = []
    for chunk in chunks:
        given.append(stream.feed(chunk))
        if impatient:
            given.append(stream.flush())
    return b"".join((*given, stream.end()))


def survivors(values: list[bytes], shown: bytes) -> list[bytes]:
    """Which values, or lines of them, stand in what is shown."""
    parts = [part for value in values for part in (value, *map(bytes.strip, value.splitlines()))]
    return [part for part in parts if len(part) >= SHORTEST and part in shown]


@given(said())
def test_no_value_survives_in_a_whole(case: tuple[list[bytes], bytes]) -> None:
    values, data = case

    shown = Redactor(values).redact_bytes(data)

    assert not survivors(values, shown)


@given(chunked(), st.booleans())
def test_no_value_survives_in_chunks(case: tuple[list[bytes], list[bytes]], impatient: bool) -> None:
    values, chunks = case

    shown = through(RedactedStream(Redactor(values)), chunks, impatient=impatient)

    assert not survivors(values, shown)


@given(chunked())
def test_chunks_give_what_the_whole_gives(case: tuple[list[bytes], list[bytes]]) -> None:
    values, chunks = case
    redactor = Redactor(values)
    data = b"".join(chunks)
    # Where a chunk ends within the first bytes of a secret, more is shown: see the test after this one.
    begun = {start + size for start in starts(redactor, data) for size in range(1, HELD)}
    borders = [border for border in accumulate(map(len, chunks)) if border not in begun]
    whole = [data[start:end] for start, end in pairwise([0, *borders, len(data)])]

    assert through(RedactedStream(redactor), whole) == redactor.redact_bytes(data)


@given(chunked())
def test_a_border_shows_at_most_three_bytes_more(case: tuple[list[bytes], list[bytes]]) -> None:
    values, chunks = case
    redactor = Redactor(values)
    least = redactor.redact_bytes(b"".join(chunks)).replace(MARK, b"")

    shown = through(RedactedStream(redactor), chunks).replace(MARK, b"")

    assert 0 <= len(shown) - len(least) <= (HELD - 1) * (len(chunks) - 1)
    assert is_within(least, shown)


def starts(redactor: Redactor, data: bytes) -> set[int]:
    """Where secrets begin, of all that overlap."""
    return {at for at in range(len(data)) for pattern in redactor._patterns.all if data.startswith(pattern, at)}


def is_within(part: bytes, whole: bytes) -> bool:
    """Whether all bytes of `part` stand in `whole`, in order."""
    rest = iter(whole)
    return all(byte in rest for byte in part)


@given(st.lists(st.binary(max_size=40), max_size=5), st.binary(max_size=200), st.integers(0, 200), st.booleans())
def test_what_has_no_secret_is_not_changed(values: list[bytes], data: bytes, border: int, impatient: bool) -> None:
    redactor = Redactor(values)
    assume(not redactor.spans(data))

    shown = through(RedactedStream(redactor), [data[:border], data[border:]], impatient=impatient)

    assert shown == data
    assert redactor.redact_bytes(data) is data


@given(st.binary(min_size=SHORTEST, max_size=40), st.binary(max_size=5), st.binary(max_size=5), st.data())
def test_no_encoding_survives(value: bytes, before: bytes, after: bytes, data: st.DataObject) -> None:
    encodings = [
        base64.b64encode(before + value + after),
        base64.urlsafe_b64encode(before + value + after).rstrip(b"="),
        *(form.encode() for form in (quote(value), quote(value, ""), quote_plus(value))),
        *(lower(form).encode() for form in (quote(value), quote(value, ""), quote_plus(value))),
    ]
    encoded = data.draw(st.sampled_from(encodings))
    border = data.draw(st.integers(0, len(encoded)))

    shown = through(RedactedStream(Redactor([value])), [b"<", encoded[:border], encoded[border:], b">"])

    assert MARK in shown
    # Of base64, what stands around the value, and the characters that hold bits of both; and what a border shows.
    assert len(shown.replace(MARK, b"")) <= len(b"<>") + 2 * 8 + (HELD - 1)


def lower(form: str) -> str:
    """The same with hexadecimal digits in lower case; `form` has no other per cent signs."""
    first, *rest = form.split("%")
    return "%".join((first, *(part[:2].lower() + part[2:] for part in rest)))


@pytest.mark.parametrize(
    "encoded",
    [
        KEY,
        base64.b64encode(KEY),
        base64.urlsafe_b64encode(KEY),
        base64.b64encode(KEY).rstrip(b"="),
        quote(KEY).encode(),
        quote(KEY, "").encode(),
        quote_plus(KEY).encode(),
        quote(KEY, "!'()*").encode(),
        lower(quote(KEY)).encode(),
    ],
)
def test_nothing_is_left_of_a_value_in_each_form(encoded: bytes) -> None:
    assert Redactor([KEY]).redact_bytes(b"<" + encoded + b">") == b"<" + MARK + b">"


@pytest.mark.parametrize(
    "value",
    ['hunter2-"s3cr3t"', "back\\slash-and-more", "pässwörd-lang-genug", "a<b>c&d-secret", "one\ttwo-three"],
)
@pytest.mark.parametrize("ascii", [True, False])
@pytest.mark.parametrize("border", [3, 8, 14])
def test_nothing_is_left_of_a_value_in_a_string_of_json(value: str, ascii: bool, border: int) -> None:
    line = json.dumps({"key": value}, ensure_ascii=ascii).encode()
    for_html = re.sub(rb"[<>&]", lambda found: b"\\u%04x" % ord(found[0]), line)

    for said in (line, for_html):
        shown = through(RedactedStream(Redactor([value.encode()])), [said[:border], said[border:]])
        assert shown == b'{"key": "[redacted]"}'


def test_a_password_in_an_authorization_header_is_found() -> None:
    header = base64.b64encode(b"me:" + KEY).decode()

    assert Redactor([KEY]).redact(f"Authorization: Basic {header}") == "Authorization: Basic bWU6[redacted]"


def test_lines_of_a_value_are_found_by_themselves() -> None:
    key = b"-----BEGIN KEY-----\r\n  MIIEvQIBADANBgkq\nshort\n-----END KEY-----\n"

    shown = Redactor([key]).redact(f"-----END KEY-----, MIIEvQIBADANBgkq short {json.dumps(key.decode())}")

    assert shown == '[redacted], [redacted] short "[redacted]"'


def test_what_is_shorter_than_eight_bytes_is_left_alone() -> None:
    assert Redactor([b"1234567", b"\xc3\xa9" * 3]).redact("1234567 ééé") == "1234567 ééé"


def test_overlapping_secrets_are_hidden_by_one_mark_and_touching_ones_by_two() -> None:
    redactor = Redactor([b"abcdefgh", b"efghijkl"])

    assert redactor.redact("-abcdefghijkl-") == "-[redacted]-"
    assert redactor.redact("-abcdefghabcdefgh-") == "-[redacted][redacted]-"


def test_the_longer_of_two_is_hidden_whole_also_when_its_rest_comes_later() -> None:
    stream = RedactedStream(Redactor([b"abcdefgh", b"abcdefghijkl"]))

    assert (stream.feed(b"-abcdefgh"), stream.feed(b"ijkl-"), stream.end()) == (b"-" + MARK, b"-", b"")


def test_without_secrets_or_without_a_match_the_chunk_itself_is_passed_on() -> None:
    chunk = b"nothing of interest\n"

    assert RedactedStream(Redactor()).feed(chunk) is chunk
    assert RedactedStream(Redactor([KEY])).feed(chunk) is chunk


def test_only_an_end_of_four_leading_bytes_or_more_is_held() -> None:
    stream = RedactedStream(Redactor([b"supersecret"]))

    assert (stream.feed(b"> sup"), stream.due) == (b"> sup", False)
    assert (stream.feed(b"\n> supe"), stream.due) == (b"\n> ", True)
    assert (stream.feed(b"r! "), stream.due) == (b"super! ", False)


def test_after_a_flush_the_rest_of_a_secret_is_still_recognised() -> None:
    stream = RedactedStream(Redactor([b"supersecret"]))

    given_parts = [stream.feed(b"> super"), stream.flush(), stream.feed(b"secret, yes"), stream.end()]

    assert given_parts == [b"> ", b"super", MARK + b", yes", b""]


def test_a_flush_does_not_show_most_of_a_secret() -> None:
    stream = RedactedStream(Redactor([b"supersecret"]))

    assert (stream.feed(b"> supersec"), stream.due, stream.flush()) == (b"> ", False, b"")
    assert stream.feed(b"ret\n") == MARK + b"\n"


@pytest.mark.parametrize(
    ("cut", "shown"), [(b"supers", b"supers"), (b"supersec", b"[redacted]"), (b"supersecre", b"[redacted]")]
)
def test_the_end_gives_what_is_held_unless_it_is_a_secret_cut_off_and_begins_anew(cut: bytes, shown: bytes) -> None:
    stream = RedactedStream(Redactor([b"supersecret"]))

    assert (stream.feed(cut), stream.end(), stream.feed(b"t")) == (b"", shown, b"t")


@pytest.mark.parametrize("text", ["\udcff \ud800 supersecret", "\udcff supersecret", "é supersecret"])
def test_text_with_surrogates_is_redacted(text: str) -> None:
    assert Redactor([b"supersecret"]).redact(text) == text.replace("supersecret", "[redacted]")


def test_a_value_that_is_no_utf_8_is_found_in_text() -> None:
    value = b"\xff\xfe password"

    assert Redactor([value]).redact("<" + value.decode(errors="surrogateescape") + ">") == "<[redacted]>"


def test_a_vault_keeps_what_it_was_given() -> None:
    vault = Vault()

    vault.add([b"first secret"])
    vault.add([b"second secret", b"first secret"])

    assert vault.redact("first secret, second secret, third secret") == "[redacted], [redacted], third secret"


def test_a_vault_with_thousands_of_secrets_finds_each() -> None:
    vault = Vault()

    vault.add(b"secret no %06d" % number for number in range(3000))

    assert vault.redact("<secret no 002999> <secret no 003000>") == "<[redacted]> <secret no 003000>"


def test_a_vault_that_is_full_forgets_the_older_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio_supervisor.redaction.VAULT_BYTES", 4 * (VALUE_OVERHEAD + len("secret one")))
    vault = Vault()
    vault.add([b"secret one", b"secret two", b"secret six", b"secret ten", b"secret one"])
    assert vault.redact("secret two") == "[redacted]"

    vault.add([b"secret xyz"])

    assert vault.redact("two: secret two, six: secret six") == "two: secret two, six: secret six"
    assert vault.redact("secret ten, secret one, secret xyz") == "[redacted], [redacted], [redacted]"


def test_a_value_that_overlaps_itself_costs_no_more() -> None:
    redactor = Redactor([b"a" * 4096])

    spans = redactor.spans(b"a" * 65536)

    assert spans == [(0, 65536)]
    assert sum(1 for _ in redactor._patterns._search(b"a" * 65536)) <= 2 * 65536 // 4096 + 2


@pytest.mark.parametrize("installed", [True, False])
def test_many_secrets_are_found_with_the_library_and_without_it(
    installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not installed:
        monkeypatch.setitem(sys.modules, "ahocorasick_rs", None)
    values = [b"secret number %03d" % number for number in range(50)]

    redactor = Redactor(values)

    assert redactor.redact_bytes(b"nothing to hide " * 5000) == b"nothing to hide " * 5000
    for value in values:
        for form in (value, base64.b64encode(value), base64.b64encode(b"u:" + value)):
            assert MARK in redactor.redact_bytes(b"x" * 5000 + form + b" y")
    overlapping = b"secret number 001secret number 002"
    assert redactor.redact_bytes(overlapping) == MARK + MARK
