"""Functions of this process that a file names or a person hands over: found, and asked what they take."""

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from types import CodeType


def imported(name: str, path: str | None) -> object:
    """What `package.module:function` stands for; None if the module has no such thing. `path` is put before the
    import path.

    Raises:
        ValueError: it can't be imported, or is not written so; the message says which.
    """
    module_name, _, rest = name.partition(":")
    if not module_name or not rest:
        raise ValueError("must be written package.module:function")
    if path is not None and path not in sys.path:
        sys.path.insert(0, path)
    try:
        target: object = import_module(module_name)
    except (Exception, SystemExit) as error:
        raise ValueError(f"importing {module_name!r} raised {type(error).__name__}: {error}") from error
    for part in rest.split("."):
        target = getattr(target, part, None)
    return target


def is_async(function: object) -> bool:
    """Whether it is an async function, or an object that is called like one."""
    return any(map(inspect.iscoroutinefunction, (function, getattr(function, "__call__", None))))  # noqa: B004


def takes(function: Callable[..., object], name: str) -> bool:
    """Whether it takes an argument of that name by keyword."""
    code = getattr(function, "__code__", None)
    if isinstance(code, CodeType) and not hasattr(function, "__wrapped__") and not hasattr(function, "__signature__"):
        # A plain function or method. To ask `inspect` costs a third of what it costs to start a task.
        return name in code.co_varnames[code.co_posonlyargcount : code.co_argcount + code.co_kwonlyargcount]
    try:
        parameter = inspect.signature(function).parameters.get(name)
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
