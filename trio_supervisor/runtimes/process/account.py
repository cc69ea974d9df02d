"""The user and the groups that a child runs as, by number (passwd(5), group(5))."""

import grp
import os
import pwd

from trio_supervisor.errors import StartError
from trio_supervisor.record import record


@record
class Account:
    """Whom a child runs as."""

    uid: int | None
    gid: int | None
    groups: tuple[int, ...] | None
    """Supplementary groups; None: the supervisor's."""
    entry: pwd.struct_passwd | None
    """What the system knows of the user."""


NOBODY_ELSE = Account(None, None, None, None)
"""The supervisor's own account."""


def find_account(user: str | int | None, group: str | int | None) -> Account:
    """The account of a user and a group, by name or number; a user brings all groups that it belongs to.

    Raises:
        StartError: there is no such user or group.
    """
    gid = None if group is None else _gid(group)
    if user is None:
        return NOBODY_ELSE if gid is None else Account(None, gid, None, None)
    entry = _entry(user)
    if entry is None:
        if gid is None:
            raise StartError(f"user {user!r} is not known to this system: give its group too")
        assert isinstance(user, int)
        return Account(user, gid, (), None)
    gid = entry.pw_gid if gid is None else gid
    if entry.pw_uid == os.geteuid() != 0 and gid == os.getegid():
        # Who it is already needs no rights to become that.
        return Account(None, None, None, entry)
    return Account(entry.pw_uid, gid, tuple(os.getgrouplist(entry.pw_name, gid)), entry)


def _entry(user: str | int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(user) if isinstance(user, int) else pwd.getpwnam(user)
    except KeyError:
        if isinstance(user, int):
            return None
        raise StartError(f"user {user!r} is not known to this system") from None


def _gid(group: str | int) -> int:
    if isinstance(group, int):
        return group
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise StartError(f"group {group!r} is not known to this system") from None
