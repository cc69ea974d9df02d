"""The keys by which one leaves an agent that one is attached to."""

import re

from trio_supervisor.errors import RequestError

DEFAULT = "ctrl-]"
_TOKEN = re.compile(rb"\x1b\[[0-9]+;5u|\x1b\[27;5;[0-9]+~|.", re.DOTALL)
"""A key as terminals send it: a byte, or Ctrl with a key as programs may ask for it (CSI u, modifyOtherKeys)."""


class DetachKeys:
    """Finds a row of keys in what is typed."""

    def __init__(self, words: str = DEFAULT) -> None:
        """`words`: one or more keys, as `ctrl-p,ctrl-q`, or a character. Raises RequestError."""
        self.words = words
        self._keys = [_spellings(word) for word in words.split(",")]
        self._held: list[bytes] = []

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What of it is for the agent, and whether the keys were pressed; the begin of a row is held back."""
        passed = bytearray()
        for found in _TOKEN.finditer(data):
            token = found[0]
            while self._held and not (self._fits() and token in self._keys[len(self._held)]):
                # Not the row after all; a row may begin within it.
                passed += self._held.pop(0)
            if token in self._keys[len(self._held)]:
                self._held.append(token)
                if len(self._held) == len(self._keys):
                    return bytes(passed), True
            else:
                passed += token
        return bytes(passed), False

    def _fits(self) -> bool:
        return all(token in keys for token, keys in zip(self._held, self._keys, strict=False))


def _spellings(word: str) -> frozenset[bytes]:
    """All ways in which a key may come."""
    name = word.strip()
    key = name[5:] if name.lower().startswith("ctrl-") else ""
    if key and len(key) == 1 and (key.isalpha() or key in "@[\\]^_") and key.isascii():
        code = ord(key.lower())
        return frozenset({bytes([ord(key.upper()) ^ 64]), b"\x1b[%d;5u" % code, b"\x1b[27;5;%d~" % code})
    if len(name) == 1 and name.isascii() and name.isprintable():
        return frozenset({name.encode()})
    raise RequestError(f"--detach-keys: {word!r} is no key; write ctrl-], ctrl-p,ctrl-q, or a character")
