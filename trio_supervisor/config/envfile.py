"""Files of variables, one `NAME=value` each (the usual `.env`): what they hold.

`export` may stand before a name; comments and blank lines are skipped. A value in quotes may go over several lines; in
single quotes it is taken as it is, in double quotes a backslash stands before n, t, r, $, a quote or a backslash.
Nothing is expanded. Of two equal names the last wins, as other readers of such files have it.
"""

import re

from attrs import define, field

from trio_supervisor.config.mistakes import Mistake, MistakeError, shown
from trio_supervisor.config.source import Place, Source

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_HEAD = re.compile(r"[ \t]*(?:export[ \t]+)?([^=\s]+)[ \t]*=")
_QUOTE = re.compile(r"[ \t]*(?=['\"])")
_QUOTED = re.compile(r"'([^']*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_AFTER_QUOTES = re.compile(r"[ \t]*(#[^\n]*)?\r?(?:\n|\Z)")
_COMMENT = re.compile(r"\s#")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "$": "$"}


def parse_env(source: Source) -> dict[str, str]:
    """The variables of a file; raises MistakeError with every mistake of it."""
    parser = _Parser(source)
    parser.run()
    if parser.mistakes:
        raise MistakeError(*parser.mistakes)
    return parser.variables


@define
class _Parser:
    source: Source
    variables: dict[str, str] = field(factory=dict)
    mistakes: list[Mistake] = field(factory=list)

    def run(self) -> None:
        at, end = 0, len(self.source.text)
        while at < end:
            at = self.line(at)

    def line(self, start: int) -> int:
        """Read what begins on this line; returns where the next one begins."""
        text = self.source.text
        end = text.find("\n", start) + 1 or len(text)
        line = text[start:end].strip()
        if not line or line.startswith("#"):
            return end
        head = _HEAD.match(text, start, end)
        if head is None:
            return self.wrong(start, end, "this line is not NAME=value")
        if not _NAME.fullmatch(head[1]):
            return self.wrong(head.start(1), end, f"{shown(head[1])} can't be the name of a variable")
        quote = _QUOTE.match(text, head.end(), end)
        if quote:
            return self.quoted(head[1], quote.end(), end)
        self.keep(head[1], _COMMENT.split(text[head.end() : end], maxsplit=1)[0].strip(), start)
        return end

    def quoted(self, name: str, start: int, end: int) -> int:
        match = _QUOTED.match(self.source.text, start)
        if match is None:
            return self.wrong(start, end, "this quote is not closed")
        after = _AFTER_QUOTES.match(self.source.text, match.end())
        if after is None:
            return self.wrong(match.end(), end, "only a comment can follow the closing quote")
        literal, escaped = match.groups()
        self.keep(name, literal if escaped is None else _ESCAPE.sub(_unescape, escaped), start)
        return after.end()

    def keep(self, name: str, value: str, start: int) -> None:
        if "\0" in value:
            self.wrong(start, start, f"the value of {name} holds a NUL byte")
        self.variables[name] = value

    def wrong(self, start: int, next_line: int, message: str) -> int:
        self.mistakes.append(Mistake(Place(self.source, start, next_line), message))
        return next_line


def _unescape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[0])
