"""What the keys of a supervisor and those of its agents must have to do with each other."""

from trio_supervisor.config.drafts import Draft, Group
from trio_supervisor.config.mistakes import Mistake, Mistakes
from trio_supervisor.core.policy import AutoShutdown, Restart


def check_significant(draft: Draft, mistakes: Mistakes) -> None:
    """Note a significant agent whose end could not count (OTP's `bad_combination`)."""
    if draft.fields.values.get("significant") is not True:
        return
    place, supervisor = draft.place_of("significant"), draft.group.spec
    agent = draft.if_elsewhere(place)
    if supervisor is not None and supervisor.auto_shutdown is AutoShutdown.NEVER:
        message = "significant needs a supervisor whose auto_shutdown is any_significant or all_significant"
        mistakes.add(Mistake(place, message, agent=agent))
    if draft.restart is Restart.PERMANENT:
        message = "significant does not go with restart permanent: write restart: transient or temporary"
        mistakes.add(Mistake(place, message, agent=agent))


def warn_of_auto_shutdown(group: Group, warnings: Mistakes) -> None:
    """Warn of an automatic shutdown that no agent can bring about."""
    if group.spec is None or group.spec.auto_shutdown is AutoShutdown.NEVER or group.node is None:
        return
    if not any(draft.fields.values.get("significant") is True for draft in group.drafts.values()):
        message = (
            f"auto_shutdown {group.spec.auto_shutdown.value} never comes: no agent of this supervisor is significant"
        )
        warnings.add(Mistake(group.node.entries["auto_shutdown"][1].place, message))
