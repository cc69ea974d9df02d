"""The accounts of a file, and whether agents name those that are there."""

from collections.abc import Mapping

from trio_supervisor.config.drafts import Group
from trio_supervisor.config.include import Files
from trio_supervisor.config.mistakes import Mistake, Mistakes, shown
from trio_supervisor.spec import Account


def read_accounts(files: Files) -> dict[str, Account]:
    """Those of the file that is run; mistakes in them are noted where they are read."""
    found = files.read[0].fields.values.get("accounts", {}) if files.read else {}
    return dict(found) if isinstance(found, Mapping) else {}


def check_accounts(files: Files, root: Group, mistakes: Mistakes) -> None:
    """Note each agent whose account is not there. Where none are written, an account is just a name that some share."""
    written = files.read[0].root.get("accounts") if files.read else None
    known = tuple(read_accounts(files))
    if written is None or not known:
        return
    for draft in root.walk():
        name = draft.fields.values.get("account")
        if isinstance(name, str) and name not in known:
            place = draft.place_of("account")
            message = f"there is no account {shown(name)} under `accounts:`"
            mistakes.add(Mistake(place, message, agent=draft.if_elsewhere(place), written=name, known=known))
