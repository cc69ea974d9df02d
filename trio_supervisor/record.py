"""Records: small classes of values that never change, made so cheaply that a program can have a hundred of them.

They are what `dataclass(frozen=True, slots=True)` makes, at a tenth of its price (docs/decisions/0006): a hundred such
classes take 0.08 s of every start, as each compiles six methods of its own. Here one is compiled, and five are shared.
"""

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


class Unseen:
    """Marks a field that is no part of the value: neither compared nor shown."""

    __slots__ = ("default",)

    def __init__(self, default: object) -> None:
        self.default = default


def unseen(*, default: T) -> T:
    """The default of a field that is neither compared nor shown."""
    made: Any = Unseen(default)
    return made  # type: ignore[no-any-return]  # what the class holds until `record` has read it


@dataclass_transform(frozen_default=True, field_specifiers=(unseen,))
def record(cls: type[T]) -> type[T]:
    """Make a class of annotated fields a record: `__init__`, ==, hash, repr, `match`, pickle; it can't be changed.

    A class is a record by itself: records are not inherited from. `__post_init__` is called where it is defined.
    """
    # `inspect.get_annotations` gives no more where nobody inherits, and to import it takes as long as all records.
    names = tuple(cls.__annotations__)
    body = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
    defaults = {name: body.pop(name) for name in names if name in body}
    hidden = {name for name, default in defaults.items() if isinstance(default, Unseen)}
    defaults |= {name: defaults[name].default for name in hidden}
    body |= {"__slots__": names, "__match_args__": names, "__defaults__": defaults, **_SHARED}
    body["__seen__"] = tuple(name for name in names if name not in hidden)
    kind: Any = type(cls)
    made: Any = kind(cls.__name__, cls.__bases__, body)
    made.__init__ = _init(made, names, defaults)
    return made  # type: ignore[no-any-return]


def changed(one: T, /, **changes: object) -> T:
    """A record like this one, with some fields changed. Raises TypeError for one that it does not have."""
    kind: Any = type(one)
    return kind(**{name: getattr(one, name) for name in kind.__match_args__} | changes)  # type: ignore[no-any-return]


def is_record(cls: type) -> bool:
    """Whether a class is a record."""
    return "__seen__" in vars(cls)


def defaults(cls: type) -> dict[str, object]:
    """The defaults of a record's fields by name, of those that have one."""
    found: dict[str, object] = vars(cls)["__defaults__"]
    return found


def _init(cls: type, names: tuple[str, ...], defaults: dict[str, object]) -> Callable[..., None]:
    # The slots are written to by their own descriptors: `__setattr__` is closed, also to us.
    arguments = [f"{name}=_default_{name}" if name in defaults else name for name in names]
    lines = [f"_set_{name}(self, {name})" for name in names] or ["pass"]
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    scope: dict[str, Any] = {f"_default_{name}": default for name, default in defaults.items()}
    scope |= {f"_set_{name}": vars(cls)[name].__set__ for name in names}
    exec(f"def __init__({', '.join(['self', *arguments])}):\n " + "\n ".join(lines), scope)
    made: Callable[..., None] = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__module__ = cls.__module__
    return made


def _seen(self: Any) -> tuple[object, ...]:
    return tuple([getattr(self, name) for name in self.__seen__])


def _eq(self: object, other: object) -> bool:
    return _seen(self) == _seen(other) if type(self) is type(other) else NotImplemented


def _hash(self: object) -> int:
    return hash(_seen(self))


def _repr(self: Any) -> str:
    fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__seen__)
    return f"{type(self).__qualname__}({fields})"


def _refuse(self: object, name: str, *_value: object) -> None:
    raise AttributeError(f"{type(self).__name__} is a record: {name!r} can't be changed")


def _reduce(self: Any) -> tuple[type, tuple[object, ...]]:
    return type(self), tuple([getattr(self, name) for name in self.__match_args__])


_SHARED = {
    "__eq__": _eq,
    "__hash__": _hash,
    "__repr__": _repr,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__reduce__": _reduce,
}
