"""What container engines say, in words that people know."""

import re

from trio_supervisor.words import one_line

LONGEST = 300
_ID = re.compile(r"(?<![\w:@/-])([0-9a-f]{12})[0-9a-f]{52}\b")
"""Of a container; a digest, which has a name before it, is compared with another one as a whole."""
_LAYERS = re.compile(r".*\bunable to start container process: ")
_ENDS = (": unknown", ": OCI runtime attempted to invoke a command that was not found", ": OCI permission denied")
_NO_PROGRAM = "executable file not found in $PATH"


def engine_words(text: str) -> str:
    """In one line, ids as short as engines show them themselves, without what each layer below has put around it."""
    text = _LAYERS.sub("", _ID.sub(r"\1", one_line(text, 4 * LONGEST)))
    for end in _ENDS:
        text = text.removesuffix(end)
    if text.endswith(_NO_PROGRAM):
        text += " of the image"
    return one_line(text, LONGEST)
