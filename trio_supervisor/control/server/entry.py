"""Who may come in at a door where not everybody may who can connect."""

from collections.abc import Awaitable, Callable

from trio_supervisor.control.tokens import Tokens
from trio_supervisor.record import record

Tell = Callable[[str, str], Awaitable[object]]
"""Told of wrong tokens, again and again: from which address, and in words."""


@record
class Entry:
    """What is asked for."""

    tokens: Tokens
    tell: Tell
    hosts: tuple[str, ...] = ()
    """The names that this server is known under, beside addresses and localhost."""
