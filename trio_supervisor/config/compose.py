"""From the text of a YAML file to its tree: syntax, limits, anchors, merge keys, duplicate keys.

Everything that could be made expensive by a hostile file is counted while the parser's events come in, before anything is expanded.
"""

import re

import yaml

from trio_supervisor.config.mistakes import Mistake, Mistakes, MistakeError, shown
from trio_supervisor.config.nodes import Mapping, Node, Scalar, Sequence
from trio_supervisor.config.source import Place, Source

MAX_ALIASES = 100
MAX_ADDED_BY_ALIASES = 50_000
"""Values that aliases may add, each counted as often as it would be walked through."""
MAX_DEPTH = 64

# The whole parser is used for its events only: types are resolved by ours. Without libyaml the pure one gives the same events.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What YAML 1.2.2 (5.1) does not let stand in a file.
_FORBIDDEN = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_CONTAINER_TAGS = frozenset({None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


def compose(source: Source, mistakes: Mistakes) -> Node:
    """The tree of a file; raises MistakeError for what can't be read any further, and notes all else."""
    forbidden = _FORBIDDEN.search(source.text)
    if forbidden:
        code = f"U+{ord(forbidden[0]):04X}"
        raise MistakeError(Mistake(Place(source, forbidden.start(), forbidden.end()), f"control character {code} is not allowed"))
    root = _Composer(source, mistakes).run()
    if root is None:
        raise MistakeError(Mistake(Place(source, 0, 0), "the file is empty: it needs at least `agents:`"))
    return root


class _Composer:
    """Builds the tree bottom-up with its own stack, so that no depth of nesting is a problem before the limit is reached."""

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
        try:
            while not isinstance(event := loader.get_event(), yaml.StreamEndEvent):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            raise MistakeError(_syntax_mistake(self._source, error)) from None
        finally:
            loader.dispose()
        return self._root

    def _take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._begin(event)
            case yaml.CollectionEndEvent():
                self._end(event)
            case yaml.AliasEvent():
                self._add(self._alias(event))
            case yaml.DocumentStartEvent():
                self._document(event)

    def _place(self, event: yaml.Event) -> Place:
        return Place(self._source, event.start_mark.index, event.end_mark.index)

    def _document(self, event: yaml.Event) -> None:
        self._documents += 1
        if self._documents > 1:
            raise MistakeError(Mistake(self._place(event), "a second document begins here; a file holds one"))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            self._mistakes.add(Mistake(self._place(event), f"tag {shown(event.tag)} is not supported"))
        plain = not event.style and event.tag is None
        node = Scalar(self._source, event.start_mark.index, event.end_mark.index, event.value, plain=plain)
        self._remember(event.anchor, node)
        self._add(node)

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        if event.tag not in _CONTAINER_TAGS:
            self._mistakes.add(Mistake(self._place(event), f"tag {shown(event.tag)} is not supported"))
        if len(self._open) >= MAX_DEPTH:
            raise MistakeError(Mistake(self._place(event), f"nested more than {MAX_DEPTH} deep"))
        kind = Mapping if isinstance(event, yaml.MappingStartEvent) else Sequence
        self._open.append(kind(self._source, event.start_mark.index))
        self._anchors_of_open.append(event.anchor)
        self._keys.append(None)

    def _end(self, event: yaml.Event) -> None:
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

    def _alias(self, event: yaml.AliasEvent) -> Node:
        place, name = self._place(event), event.anchor
        if name in self._anchors_of_open:
            raise MistakeError(Mistake(place, f"'*{name}' stands inside of what it stands for"))
        if name not in self._anchors:
            raise MistakeError(Mistake(place, f"there is no anchor '&{name}' before this", written=name, known=tuple(self._anchors)))
        node = self._anchors[name]
        self._aliases += 1
        self._added_by_aliases += node.size
        if self._aliases > MAX_ALIASES:
            raise MistakeError(Mistake(place, f"more than {MAX_ALIASES} aliases"))
        if self._added_by_aliases > MAX_ADDED_BY_ALIASES:
            raise MistakeError(Mistake(place, f"aliases stand for more than {MAX_ADDED_BY_ALIASES:,} values"))
        return node

    def _add(self, node: Node) -> None:
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        parent.size += node.size
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
        return Scalar(self._source, node.start, node.end, "x-", plain=False)

    def _pair(self, mapping: Mapping, key: Scalar, value: Node) -> None:
        first = mapping.entries.setdefault(key.raw, (key, value))[0]
        if first is not key and not (key.raw == "x-" and not key.plain):
            line, _ = self._source.position(first.start)
            self._mistakes.add(Mistake(key.place, f"duplicate key {shown(key.raw)}, first on line {line}"))

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
    ("quoted scalar", "a quote is not closed"),
    ("unknown escape character", "in double quotes write \\\\ for a backslash, or use single quotes"),
)


def _syntax_mistake(source: Source, error: yaml.MarkedYAMLError) -> Mistake:
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
