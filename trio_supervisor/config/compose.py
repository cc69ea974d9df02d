"""From the text of a YAML file to its tree: syntax, limits, anchors, merge keys, duplicate keys.

Everything that a hostile file could make expensive is counted while the parser's events come in, before anything is
expanded.
"""

import re
from collections.abc import Callable
from typing import Any

import yaml

from trio_supervisor.config.mistakes import Mistake, MistakeError, Mistakes, shown
from trio_supervisor.config.nodes import Mapping, Node, Scalar, Sequence
from trio_supervisor.config.source import Place, Source

MAX_ALIASES = 100
MAX_ADDED_BY_ALIASES = 50_000
"""Values that aliases may add, each counted as often as it would be walked through."""
MAX_DEPTH = 64

# Only the events of the parser are used, the types are resolved by our own rules; without libyaml the pure parser does.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What YAML 1.2.2 (5.1) does not let stand in a file.
_FORBIDDEN = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_CONTAINER_TAGS = frozenset({"!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


EMPTY = "the file is empty: it needs at least `agents:`"


def compose(source: Source, mistakes: Mistakes, what: str = EMPTY) -> Node:
    """The tree of a file; raises MistakeError for what can't be read any further, and notes all else. `what` is said of
    one without content.
    """
    forbidden = _FORBIDDEN.search(source.text)
    if forbidden:
        place, code = Place(source, forbidden.start(), forbidden.end()), f"U+{ord(forbidden[0]):04X}"
        raise MistakeError(Mistake(place, f"control character {code} is not allowed"))
    root = _Composer(source, mistakes).run()
    if root is None:
        raise MistakeError(Mistake(Place(source, 0, 0), what))
    return root


_NO_KEY = Scalar(Source("", "", ""), 0, 0, "\0", plain=False)
"""Stands for a key that is no text, of which was told already; nothing that is written has this text."""


class _Composer:
    """Builds the tree bottom-up with a stack of its own, so that no depth of nesting is a problem below the limit.

    Events are `Any`: to the stubs their marks and anchors may be missing, where the parser never leaves them out.
    """

    def __init__(self, source: Source, mistakes: Mistakes) -> None:
        self._source = source
        self._mistakes = mistakes
        self._root: Node | None = None
        self._documents = 0
        self._open: list[Mapping | Sequence] = []
        self._anchors_of_open: list[str | None] = []
        self._keys: list[Scalar | None] = []
        self._anchors: dict[str, Node] = {}
        self._aliases = 0
        self._added_by_aliases = 0

    def run(self) -> Node | None:
        loader = _Loader(self._source.text)
        handlers: dict[type[yaml.Event], Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._begin,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceStartEvent: self._begin,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }
        try:
            while not isinstance(event := loader.get_event(), yaml.StreamEndEvent):  # type: ignore[no-untyped-call]
                handler = handlers.get(type(event))
                if handler is not None:
                    handler(event)
        except yaml.MarkedYAMLError as error:
            raise MistakeError(_syntax_mistake(self._source, error)) from None
        finally:
            loader.dispose()
        return self._root

    def _place(self, event: Any) -> Place:
        return Place(self._source, event.start_mark.index, event.end_mark.index)

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise MistakeError(Mistake(self._place(event), "a second document begins here; a file holds one"))

    def _scalar(self, event: Any) -> None:
        tag = event.tag
        if tag is not None and tag not in _TEXT_TAGS:
            self._mistakes.add(Mistake(self._place(event), f"tag {shown(tag)} is not supported"))
        start, end = event.start_mark.index, event.end_mark.index
        node = Scalar(self._source, start, end, event.value, plain=not event.style and tag is None)
        self._remember(event.anchor, node)
        self._add(node)

    def _begin(self, event: Any) -> None:
        if event.tag is not None and event.tag not in _CONTAINER_TAGS:
            self._mistakes.add(Mistake(self._place(event), f"tag {shown(event.tag)} is not supported"))
        self._check_depth(event, 1)
        kind = Mapping if isinstance(event, yaml.MappingStartEvent) else Sequence
        self._open.append(kind(self._source, event.start_mark.index))
        self._anchors_of_open.append(event.anchor)
        self._keys.append(None)

    def _check_depth(self, event: Any, added: int) -> None:
        if len(self._open) + added > MAX_DEPTH:
            raise MistakeError(Mistake(self._place(event), f"nested more than {MAX_DEPTH} deep"))

    def _end(self, event: Any) -> None:
        node = self._open.pop()
        node.end = event.end_mark.index
        self._keys.pop()
        self._remember(self._anchors_of_open.pop(), node)
        if isinstance(node, Mapping) and "<<" in node.entries:
            self._merge(node)
        self._add(node)

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _alias(self, event: Any) -> None:
        place, name = self._place(event), event.anchor or ""
        if name in self._anchors_of_open:
            raise MistakeError(Mistake(place, f"'*{name}' stands inside of what it stands for"))
        if name not in self._anchors:
            message = f"there is no anchor '&{name}' before this"
            raise MistakeError(Mistake(place, message, written=name, known=tuple(self._anchors)))
        node = self._anchors[name]
        self._aliases += 1
        self._added_by_aliases += node.size
        if self._aliases > MAX_ALIASES:
            raise MistakeError(Mistake(place, f"more than {MAX_ALIASES} aliases"))
        if self._added_by_aliases > MAX_ADDED_BY_ALIASES:
            raise MistakeError(Mistake(place, f"aliases stand for more than {MAX_ADDED_BY_ALIASES:,} values"))
        self._check_depth(event, node.depth)
        self._add(node)

    def _add(self, node: Node) -> None:
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        parent.size += node.size
        parent.depth = max(parent.depth, node.depth + 1)
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif self._keys[-1] is None:
            self._keys[-1] = self._key(node)
        else:
            self._pair(parent, self._keys[-1], node)
            self._keys[-1] = None

    def _key(self, node: Node) -> Scalar:
        if isinstance(node, Scalar):
            return node
        self._mistakes.add(Mistake(node.place, "a key must be text"))
        return _NO_KEY

    def _pair(self, mapping: Mapping, key: Scalar, value: Node) -> None:
        first = mapping.entries.get(key.raw)
        if first is not None:
            line, _ = self._source.position(first[0].start)
            self._mistakes.add(Mistake(key.place, f"duplicate key {shown(key.raw)}, first on line {line}"))
        elif key is not _NO_KEY:
            mapping.entries[key.raw] = (key, value)

    def _merge(self, mapping: Mapping) -> None:
        key, value = mapping.entries["<<"]
        if not key.plain:
            return
        del mapping.entries["<<"]
        for merged in value.items if isinstance(value, Sequence) else [value]:
            if not isinstance(merged, Mapping):
                self._mistakes.add(Mistake(merged.place, "'<<' merges mappings: write <<: *name or <<: [*one, *two]"))
                continue
            for name, entry in merged.entries.items():
                mapping.entries.setdefault(name, entry)


# What libyaml and PyYAML say, in the words of a person who has to do something about it.
_HINTS = (
    ("mapping values are not allowed", "a value that has ': ' in it needs quotes"),
    ("could not find expected ':'", "a key needs a ':' after it"),
    ("did not find expected key", "check the indentation: keys of one mapping start in the same column"),
    ("expected '-' indicator", "check the indentation: the items of a list all start with '-'"),
    ("expected <block end>", "check the indentation"),
    ("unknown escape character", "in double quotes write \\\\ for a backslash, or use single quotes"),
    ("unexpected end of stream", "a quote is not closed"),
    ("expected ',' or", "a bracket is not closed, or a value needs quotes"),
)


def _syntax_mistake(source: Source, error: yaml.MarkedYAMLError) -> Mistake:
    if "maximum nesting depth" in (error.problem or ""):
        # Newer parsers have a limit of their own, which a flow collection reaches before its first event is out.
        start = min(error.problem_mark.index if error.problem_mark else 0, len(source.text))
        return Mistake(Place(source, start, start + 1), f"nested more than {MAX_DEPTH} deep")
    mark = error.problem_mark or error.context_mark
    start = min(mark.index if mark else 0, len(source.text))
    message = f"this is no YAML: {error.problem or error.context or 'it can not be read'}"
    context = error.context_mark
    if error.context and context and error.problem_mark and context.line != error.problem_mark.line:
        message += f", {error.context} that begins on line {source.position(min(context.index, len(source.text)))[0]}"
    hint = _syntax_hint(source, start, f"{error.context} {error.problem}")
    return Mistake(Place(source, start, start + 1), f"{message} ({hint})" if hint else message)


def _syntax_hint(source: Source, start: int, said: str) -> str:
    character = source.text[start : start + 1]
    if "cannot start any token" in said:
        return "use spaces, not tabs" if character == "\t" else f"text that begins with {character} needs quotes"
    if "flow" in said and "${" in source.line(source.position(start)[0]):
        return 'inside of { } and [ ] write "${...}" in quotes'
    return next((hint for part, hint in _HINTS if part in said), "")
