"""Tokens: what whoever comes over TCP shows. One lets observe, one lets operate."""

import os
import stat
from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest

from trio_supervisor.errors import ConfigError
from trio_supervisor.record import record

SHORTEST = 32
"""Characters: 128 bits in hexadecimal digits."""
_FEWEST_KINDS = 8
_LONGEST = 4096
_MAKE_ONE = "make one with: openssl rand -hex 32"


@record
class Tokens:
    """What is asked for at a door."""

    observe: str | None = None
    operate: str | None = None

    def role_of(self, shown: str) -> str | None:
        """`operate`, `observe`, or None. How long it takes says nothing of the tokens."""
        found = None
        # Digests have one length, and each is compared to its end.
        digest = sha256(shown.encode("utf-8", "surrogateescape")).digest()
        for role, token in (("observe", self.observe), ("operate", self.operate)):
            if token is not None and compare_digest(sha256(token.encode()).digest(), digest):
                found = role
        return found


def checked(tokens: Tokens) -> Tokens:
    """Tokens that nobody guesses. Raises ConfigError: none is there, or one is weak, or both are the same."""
    given = {"observe": tokens.observe, "operate": tokens.operate}
    for role, token in given.items():
        if token is not None and (mistake := _weakness(token)):
            raise ConfigError(f"the token to {role} {mistake}; {_MAKE_ONE}")
    if not any(given.values()):
        raise ConfigError(
            "--listen needs a token, or everybody who can connect could command the agents: --operate-token-file, "
            "--observe-token-file, $TRIO_SUPERVISOR_OPERATE_TOKEN or $TRIO_SUPERVISOR_OBSERVE_TOKEN; " + _MAKE_ONE
        )
    if tokens.observe == tokens.operate:
        raise ConfigError("the token to observe and the token to operate must not be the same: who has one has both")
    return tokens


def read_token(path: str, warn: Callable[[str], None]) -> str:
    """The token in a file, without the white space around it. `warn` is told when others may read it too.

    Raises:
        ConfigError: it can't be read, or there is none in it.
    """
    try:
        with open(path, encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_LONGEST + 1).strip()
    except OSError as error:
        raise ConfigError(f"token file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"token file {path}: it must hold a token as text, and is none") from None
    if not text or len(text) > _LONGEST or not (text.isascii() and text.isprintable()) or " " in text:
        raise ConfigError(f"token file {path}: it must hold one token, of printable characters without spaces")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        warn(f"token file {path}: others may read it too (mode {stat.S_IMODE(mode):04o}); chmod 600 {path}")
    return text


def _weakness(token: str) -> str | None:
    if not (token.isascii() and token.isprintable()) or " " in token:
        return "must be of printable ASCII characters without spaces"
    if len(token) < SHORTEST:
        return f"must have at least {SHORTEST} characters, not {len(token)}"
    if len(set(token)) < _FEWEST_KINDS:
        return f"must have at least {_FEWEST_KINDS} different characters, not {len(set(token))}"
    return None
