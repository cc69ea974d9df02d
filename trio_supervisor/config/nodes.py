"""The tree of a YAML file, each node with its place, and the types of plain scalars in the core schema of YAML 1.2."""

import re
from typing import TypeAlias

from trio_supervisor.config.mistakes import Mistake, MistakeError, shown
from trio_supervisor.config.source import Place, Source
from trio_supervisor.config.variables import expand

# YAML 1.2.2, 10.3.2 (tag resolution of the core schema).
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_NUMBER_BEGIN = frozenset("-+.0123456789")

# Python refuses to read numbers of some thousand digits; nothing here needs more than this.
_LONGEST_INT = 100


def resolve(text: str) -> object:
    """The value of a plain scalar: None, bool, int, float, or the text itself."""
    if text[:1] not in _NUMBER_BEGIN:
        return None if text in _NULL else _BOOL.get(text, text)
    if _INT.fullmatch(text) and len(text) <= _LONGEST_INT:
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


class _Located:
    __slots__ = ("end", "source", "start")

    def __init__(self, source: Source, start: int, end: int) -> None:
        self.source = source
        self.start = start
        self.end = end

    @property
    def place(self) -> Place:
        return Place(self.source, self.start, self.end)


class Scalar(_Located):
    """A single value."""

    __slots__ = ("_text", "plain", "raw")
    size = 1
    depth = 0

    def __init__(self, source: Source, start: int, end: int, raw: str, *, plain: bool) -> None:
        # Not by super(): half of the time of a big file goes into what happens for each scalar.
        self.source = source
        self.start = start
        self.end = end
        self.raw = raw
        """As written, before variables are replaced."""
        self.plain = plain
        """Not in quotes, so that it may be something else than text."""
        self._text = None if "${" in raw else raw

    @property
    def has_variables(self) -> bool:
        return "${" in self.raw

    @property
    def text(self) -> str:
        """The text with its variables replaced; raises MistakeError."""
        if self._text is None:
            text, problems = expand(self.raw, self.source.variables)
            if problems:
                raise MistakeError(*(Mistake(self._find(one.fragment), one.message) for one in problems))
            self._text = text
        return self._text

    @property
    def value(self) -> object:
        """What plain text resolves to, or text; raises MistakeError for its variables.

        What comes out of a variable resolves in quotes too: without them there can't be a variable inside of `{ }`.
        Where text is wanted it stays text, see `scalars.text`.
        """
        return resolve(self.text) if self.plain or self.has_variables else self.text

    def _find(self, fragment: str) -> Place:
        found = self.source.text.find(fragment, self.start, self.end)
        return self.place if found < 0 else Place(self.source, found, found + len(fragment))


class Sequence(_Located):
    """A list of nodes."""

    __slots__ = ("depth", "items", "size")

    def __init__(self, source: Source, start: int) -> None:
        super().__init__(source, start, start + 1)
        self.items: list[Node] = []
        self.size = 1
        """Nodes in it, counted as often as they are used: what it costs to walk through it."""
        self.depth = 1
        """Lists and mappings in each other, aliases included: how deep a walk through it goes."""


class Mapping(_Located):
    """Keys with their values. Keys are always text, and no variables are replaced in them."""

    __slots__ = ("depth", "entries", "size")

    def __init__(self, source: Source, start: int) -> None:
        super().__init__(source, start, start + 1)
        self.entries: dict[str, tuple[Scalar, Node]] = {}
        self.size = 1
        self.depth = 1

    def get(self, key: str) -> "Node | None":
        """The value of a key, if it is there."""
        entry = self.entries.get(key)
        return None if entry is None else entry[1]


Node: TypeAlias = Scalar | Sequence | Mapping


def is_null(node: Node) -> bool:
    """Whether there is no value; raises MistakeError."""
    return isinstance(node, Scalar) and node.plain and node.text in _NULL


def is_absent(node: Node | None) -> bool:
    """Whether a value is not there, or null. One that can't be read is there."""
    try:
        return node is None or is_null(node)
    except MistakeError:
        return False


def describe(node: Node) -> str:
    """A node in words, for messages; raises MistakeError."""
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Mapping):
        return "a mapping"
    match node.value:
        case None:
            return "nothing"
        case bool():
            return node.text
        case int() | float():
            return f"the number {shown(node.text)[1:-1]}"
        case _:
            return shown(node.text)
