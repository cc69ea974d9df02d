"""`run --listen`: TCP besides the control socket, for who shows a token. Imported only where it is asked for."""

import argparse
from collections.abc import Callable
from contextlib import ExitStack

from trio_supervisor.control.server.door import is_open_to_others, listening_at, split_place
from trio_supervisor.control.tokens import Tokens, checked, read_token
from trio_supervisor.record import record
from trio_supervisor.wiring import Listening


@record
class Opened:
    """What was opened before the run, and what is to be said of it."""

    listening: Listening
    warnings: tuple[str, ...]
    words: str


def open_door(options: argparse.Namespace, stack: ExitStack) -> Opened:
    """Listen as the options say, until the end of `stack`. Raises ConfigError, LockedError."""
    warnings: list[str] = []
    tokens = checked(
        Tokens(
            observe=_token(options, "observe", warnings.append),
            operate=_token(options, "operate", warnings.append),
        )
    )
    listener = stack.enter_context(listening_at(options.listen))
    host, port = listener.getsockname()[:2]
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if is_open_to_others(listener):
        warnings.append(
            f"control: other machines can reach {place}, and nothing is encrypted: who can read along has the token, "
            "and with it every agent. You who run this must put it right: listen at 127.0.0.1, and let ssh -L or a "
            "proxy with TLS stand before it"
        )
    roles = " and ".join(role for role, token in (("observe", tokens.observe), ("operate", tokens.operate)) if token)
    named = split_place(options.listen)[0]
    listening = Listening(listener, tokens, (named, *options.allow_host))
    return Opened(listening, tuple(warnings), f"control: http://{place} takes a token to {roles}")


def _token(options: argparse.Namespace, role: str, warn: Callable[[str], None]) -> str | None:
    path = getattr(options, f"{role}_token_file")
    if path is not None:
        return read_token(path, warn)
    given: str | None = options.tokens[f"TRIO_SUPERVISOR_{role.upper()}_TOKEN"]
    return given
