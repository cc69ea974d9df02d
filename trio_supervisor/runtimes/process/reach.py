"""How far an account gets in the file system: which directory on the way to a file it must not enter.

Said of another account than ours by the modes alone; access control lists and security modules are not looked at.
"""

import os
import stat

from trio_supervisor.runtimes.process.account import Account

MOST_LINKS = 40
"""So many symbolic links are followed on one way, as by the kernel (path_resolution(7))."""


def barrier(path: str, account: Account) -> str | None:
    """The first directory on the way to `path`, through all links, that must not be entered, in words; None: there is
    none, as far as can be seen.
    """
    at = "/"
    names = _names(path if os.path.isabs(path) else os.path.join(os.getcwd(), path))
    links = 0
    while names:
        name = names.pop()
        if not executable(at, account):
            who = "" if account.uid is None else f" by user {_name(account)}"
            return f"permission denied to enter {at!r}{who}"
        if name == "..":
            at = os.path.dirname(at)
            continue
        here = os.path.join(at, name)
        try:
            target = os.readlink(here)
        except OSError:
            # No link, or not there.
            at = here
            continue
        links += 1
        if links > MOST_LINKS:
            return None
        at = "/" if target.startswith("/") else at
        names += _names(target)
    return None


def executable(path: str, account: Account) -> bool:
    """Whether the account may execute a file, or enter a directory; so it is said of what is not there, too."""
    try:
        found = os.stat(path)
    except PermissionError:
        return False
    except OSError:
        return True
    if account.uid is None:
        return os.access(path, os.X_OK)
    if account.uid == 0:
        return stat.S_ISDIR(found.st_mode) or found.st_mode & 0o111 != 0
    if found.st_uid == account.uid:
        return found.st_mode & stat.S_IXUSR != 0
    if found.st_gid in (account.gid, *(account.groups or ())):
        return found.st_mode & stat.S_IXGRP != 0
    return found.st_mode & stat.S_IXOTH != 0


def _names(path: str) -> list[str]:
    """Its parts, the first one last."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _name(account: Account) -> str:
    return repr(account.entry.pw_name) if account.entry is not None else str(account.uid)
