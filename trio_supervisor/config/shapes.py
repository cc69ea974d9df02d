"""What shape a value has: a single one, a list, a mapping; and the mistake that it has another one."""

from trio_supervisor.config.mistakes import Mistake, MistakeError
from trio_supervisor.config.nodes import Mapping, Node, Scalar, Sequence, describe
from trio_supervisor.config.source import Place


def scalar(node: Node, expected: str) -> Scalar:
    """The node as a single value; raises MistakeError when it is a list or a mapping."""
    if not isinstance(node, Scalar):
        raise not_expected(node, expected)
    return node


def not_expected(node: Node, expected: str) -> MistakeError:
    """The mistake that a value is something else than expected."""
    place = node.place if isinstance(node, Scalar) else Place(node.source, node.start, node.start + 1)
    return MistakeError(Mistake(place, f"must be {expected}, not {describe(node)}"))


def mapping(node: Node, expected: str = "a mapping") -> Mapping:
    """The node as a mapping; raises MistakeError when it is something else."""
    if not isinstance(node, Mapping):
        raise not_expected(node, expected)
    return node


def items(node: Node) -> list[Node]:
    """The items of a list; a value that is none is its only item."""
    return node.items if isinstance(node, Sequence) else [node]
