"""Style: whether there is colour, and which one belongs to which agent."""

import zlib
from collections.abc import Iterable, Mapping

from trio_supervisor.record import record

_RESET = "\x1b[0m"
# The colours that people have set up in their terminal, without red (which means failure), and without black and white
# (one of them is the background).
_COLOURS = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")


@record
class Style:
    """What the output may use."""

    colour: bool = False
    unicode: bool = True
    """Signs beyond ASCII for what the supervisor itself says."""

    def paint(self, text: str, code: str) -> str:
        """`text` in the colour of the SGR parameters `code`; as it is where there is no colour."""
        return f"\x1b[{code}m{text}{_RESET}" if self.colour and code else text


def detect(*, terminal: bool, env: Mapping[str, str], encoding: str = "utf-8") -> Style:
    """The style for an output; `terminal`: it is one.

    NO_COLOR (https://no-color.org) wins over FORCE_COLOR; both count when not empty, and FORCE_COLOR=0 means no colour.
    """
    forced = env.get("FORCE_COLOR", "")
    if env.get("NO_COLOR"):
        colour = False
    elif forced:
        colour = forced != "0"
    else:
        colour = terminal and env.get("TERM", "dumb") != "dumb"
    return Style(colour=colour, unicode=encoding.lower().replace("-", "") in ("utf8", "utf8sig"))


class Palette:
    """Gives each name a colour that only depends on the name, unless another name has it already."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._of: dict[str, str] = {}
        self._free = set(_COLOURS)
        # Sorted, so that the order in a file does not matter.
        for name in sorted(names):
            self.code(name)

    def code(self, name: str) -> str:
        """The SGR parameters of a name's colour."""
        code = self._of.get(name)
        if code is None:
            code = self._of[name] = self._choose(name)
        return code

    def _choose(self, name: str) -> str:
        first = zlib.crc32(name.encode()) % len(_COLOURS)
        if not self._free:
            return _COLOURS[first]
        order = _COLOURS[first:] + _COLOURS[:first]
        code = next(code for code in order if code in self._free)
        self._free.remove(code)
        return code
