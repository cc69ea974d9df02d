"""Harmless bytes: what of an agent's output may reach a person's terminal.

- Colours and other SGR sequences stay where the output is coloured, each line ends them; elsewhere they are left out.
- Complete escape sequences that do something else (move the cursor, erase, set the title, ...) are left out: they stand
  for no text. What is incomplete or unknown is shown as `\\x1b` with all that follows it.
- NUL and the other control characters, C1 (U+0080 to U+009F) among them, are shown as `\\x00`. TAB stays.
- A CR within a line, by which a progress bar returns to its beginning, begins a new line: in place it would write over
  the prefix, and so nothing of what was said gets lost.
- Bytes that are not UTF-8 are shown as `\\xff`.
"""

import re

_CONTROLS = bytes({*range(32), 127} - {9, 10})
_RESET = b"\x1b[0m"
_SGR = re.compile(rb"\x1b\[[0-9;:]*m")
_C1 = re.compile(rb"\xc2[\x80-\x9f]")

_SPECIAL = re.compile(
    r"""
      (?P<sgr>       \x1b\[[0-9;:]*m )
    | (?P<sequence>  \x1b\[[0-?]*[ -/]*[@-~]                  # CSI
                   | \x1b[]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\) # OSC, DCS, SOS, PM, APC with their end
                   | \x1b[ -/]+[0-~]                          # character sets and the like
                   | \x1b[78=>cDEHMNOZ\\] )                   # the two-byte ones in use
    | (?P<last_cr>   \r+(?=\n|\Z) )
    | (?P<cr>        \r+ )
    | (?P<control>   [\x00-\x08\x0b-\x1f\x7f-\x9f] )
    """,
    re.VERBOSE,
)


def text_of(data: bytes) -> str:
    """The text of `data`, bytes that are not UTF-8 as `\\xff`; nothing else is changed."""
    return data.decode("utf-8", "backslashreplace")


def harmless(data: bytes, *, colour: bool) -> bytes:
    """Lines for a terminal (or a file that is shown on one later); `colour`: keep colours. LF stays the line end."""
    # This runs over every byte that anybody says: the usual ones must not wait for the pattern that knows all cases.
    controls = len(data) - len(data.translate(None, _CONTROLS))
    if not (_is_text(data) and controls == data.count(b"\x1b") == len(_SGR.findall(data))):
        data = _SPECIAL.sub(_coloured if colour else _plain, text_of(data)).encode()
    elif controls and not colour:
        data = _SGR.sub(b"", data)
    return _end_colours(data) if b"\x1b" in data else data


def _is_text(data: bytes) -> bool:
    """Whether it is UTF-8 without C1 control characters."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"\xc2" not in data or not _C1.search(data)


def _end_colours(data: bytes) -> bytes:
    return b"\n".join([line + _RESET if b"\x1b" in line else line for line in data.split(b"\n")])


def _plain(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "control":
            return f"\\x{ord(found[0]):02x}"
        case "cr":
            return "\n"
        case _:
            return ""


def _coloured(found: re.Match[str]) -> str:
    return found[0] if found.lastgroup == "sgr" else _plain(found)
