"""What a program has switched on in a terminal, as far as that outlasts it: for whoever comes later, or leaves earlier.

Modes are those of ECMA-48 and DEC as xterm documents them (ctlseqs, "DEC Private Mode Set"): `CSI ? n h` and `l`.
"""

import re

ALTERNATE = frozenset({47, 1047, 1049})
"""The other screen, that full-screen programs draw on."""
_CURSOR = 25
_KEPT = frozenset({1, 7, 9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004, 2026, _CURSOR}) | ALTERNATE
_OFF = frozenset({7, _CURSOR})
"""On in a fresh terminal: of these, it matters that they are switched off."""
_SWITCH = re.compile(rb"\x1b\[\?([0-9;]{1,64})([hl])")
_LONGEST = 70

_QUESTIONS = re.compile(
    rb"\x1b\[(?:[>=]?[0-9]*c|\??[56]n|>[0-9]*q|\?u|\??[0-9;]*\$p|1[4-9]t|2[01]t)"  # attributes, place, version, modes
    rb"|\x1b\][0-9;]+;\?(?:\x07|\x1b\\)"  # colours
    rb"|\x1bP[+$]q[^\x1b\x07]*\x1b\\"  # settings, terminfo
    rb"|\x05"  # answerback
)


class Modes:
    """Follows a stream of output, and knows what is switched otherwise than in a fresh terminal."""

    def __init__(self) -> None:
        self.on: set[int] = set()
        """Those that are."""
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take in some output."""
        data = self._rest + data
        for found in _SWITCH.finditer(data):
            on = found[2] == b"h"
            for word in found[1].split(b";"):
                mode = int(word or 0)
                if mode in _KEPT:
                    (self.on.add if on != (mode in _OFF) else self.on.discard)(mode)
        # A switch may be cut in two.
        begun = data.rfind(b"\x1b", max(0, len(data) - _LONGEST))
        self._rest = data[begun:] if begun >= 0 and not _SWITCH.match(data, begun) else b""

    def again(self) -> bytes:
        """What brings a fresh terminal to where this one is."""
        return b"".join(b"\x1b[?%d%b" % (mode, b"l" if mode in _OFF else b"h") for mode in sorted(self.on))

    def undo(self) -> bytes:
        """What brings this terminal back to a fresh one; empty where nothing was switched."""
        undone = b"".join(b"\x1b[?%d%b" % (mode, b"h" if mode in _OFF else b"l") for mode in sorted(self.on))
        return undone and undone + b"\x1b[0m\x1b>"


def without_questions(data: bytes) -> bytes:
    """Output that is shown again: what asks the terminal something is left out, or it would answer a second time, to
    whoever reads now.
    """
    return _QUESTIONS.sub(b"", data)
