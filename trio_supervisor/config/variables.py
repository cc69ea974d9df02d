"""Variables in values: `${VAR}`, `${VAR:-default}`, `${VAR:?message}`; `$${` is a literal `${`.

Any other `$` stays as it is, also `${` before something that is not a name: it belongs to the shell. The value of a
variable is never expanded again; a default is, so that it may name another variable.
"""

import re
from collections.abc import Mapping

from attrs import define, field, frozen

MAX_LENGTH = 1024 * 1024
"""Characters that one value may have after its variables were replaced."""
MAX_DEPTH = 8
"""How deep defaults may stand in defaults."""

_BEGIN = re.compile(r"\$(?P<literal>\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)")
_BRACE = re.compile(r"[{}]")


@frozen
class Problem:
    """A variable that can't be replaced."""

    fragment: str
    """How it begins in the text, to find it there."""
    message: str


def expand(text: str, variables: Mapping[str, str]) -> tuple[str, list[Problem]]:
    """The text with its variables replaced, and every problem with them (then the text is of no use)."""
    expansion = _Expansion(variables)
    return expansion.expand(text, 1), expansion.problems


@define
class _Expansion:
    variables: Mapping[str, str]
    problems: list[Problem] = field(factory=list)
    length: int = 0

    def expand(self, text: str, depth: int) -> str:
        parts: list[str] = []
        at = 0
        while (match := _BEGIN.search(text, at)) and self.length <= MAX_LENGTH:
            parts.append(text[at : match.start()])
            if match["literal"]:
                value, at = "${", match.end()
            else:
                value, at = self.variable(text, match, depth)
            parts.append(value)
        return "".join(parts) + text[at:]

    def variable(self, text: str, match: re.Match[str], depth: int) -> tuple[str, int]:
        """The value of the variable that begins at `match`, and where the text goes on after it."""
        fragment, end = match[0], _closing_brace(text, match.end())
        if end is None:
            return self.problem(fragment, f"{fragment} has no closing brace; write $${{ for a literal ${{"), len(text)
        value = self.value(match["name"], text[match.end() : end], fragment, depth)
        self.length += len(value)
        if self.length > MAX_LENGTH:
            self.problem(fragment, "variables make this value longer than 1 MiB")
        return value, end + 1

    def value(self, name: str, rest: str, fragment: str, depth: int) -> str:
        value = self.variables.get(name)
        if not rest:
            unset = f"variable {name} is not set; ${{{name}:-default}} gives it a default"
            return self.problem(fragment, unset) if value is None else value
        if rest.startswith(":-"):
            return value or self.default(rest[2:], fragment, depth)
        if rest.startswith(":?"):
            return value or self.problem(fragment, f"variable {name} is not set: {rest[2:] or 'it is needed here'}")
        known = f"${{{name}}}, ${{{name}:-default}} and ${{{name}:?message}}"
        return self.problem(fragment, f"only {known} are known; write $${{ for a ${{ that is meant for the shell")

    def default(self, text: str, fragment: str, depth: int) -> str:
        if depth >= MAX_DEPTH:
            return self.problem(fragment, f"defaults stand more than {MAX_DEPTH} deep in defaults")
        return self.expand(text, depth + 1)

    def problem(self, fragment: str, message: str) -> str:
        self.problems.append(Problem(fragment, message))
        return ""


def _closing_brace(text: str, start: int) -> int | None:
    depth = 1
    for brace in _BRACE.finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.start()
    return None
