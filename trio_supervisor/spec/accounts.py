"""What agents share because somebody pays for them together: quotas, and a budget."""

import re

from attrs import field, frozen

from trio_supervisor.core.budget import Budget
from trio_supervisor.errors import SpecError
from trio_supervisor.spec.values import positive


@frozen
class Quota:
    """A line that says that a quota is used up: whoever has the account is held, and resumed by itself.

    Of the pattern, a group named `until` tells when (`15:00`, `3pm`, RFC 3339, seconds since the epoch), or one named
    `after` in how long (seconds, or a duration such as `1h30m`).
    """

    pattern: str
    """A regular expression that is searched in every line of the output."""
    wait: float = field(default=900.0, validator=positive("quota: wait"))
    """For how long, where the line does not say it."""

    def __attrs_post_init__(self) -> None:
        try:
            re.compile(self.pattern.encode())
        except re.error as error:
            raise SpecError(f"quota: {self.pattern!r} is not a regular expression: {error}") from error


@frozen
class Account:
    """What holds for all agents of an account together."""

    budget: Budget | None = None
    quota: tuple[Quota, ...] = ()
    """Looked for in what each of them says, beside their own."""
