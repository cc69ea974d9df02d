"""What somebody else has said, as one short printable line for people; short times in words."""

import re

_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # ECMA-48, 5.4
_LOOKED_AT = 4096


def one_line(text: str, longest: int = 160) -> str:
    """Return `text` in one line of at most `longest` characters, without anything that a terminal would obey."""
    text = " ".join(_ESCAPE_SEQUENCE.sub("", text[:_LOOKED_AT]).split())
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[: longest + 1])
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def took(seconds: float) -> str:
    """Return a short time in words: `3 ms`, `0.2 ms`, `1.4 s`."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.{0 if seconds >= 0.001 else 1}f} ms"
