"""Editing an organization: where another default profile is meant, with what that means for its people today, and for the month's work."""

from collections.abc import Callable, Sequence

from credits.admin import edit_action
from organizations.admin.actions import Action, Command, Effect, compare
from organizations.models import Organization
from usage.admin.again import month_again
from usage.admin.today import limits_today


class Edit(edit_action.Edit):
    def again(self, command: Command) -> Callable[[], Sequence[Effect]]:
        owner = command.organization
        if command.data["default_profile"] == owner.default_profile:
            return tuple
        before, again = limits_today(owner, now=command.now), month_again(owner, now=command.now)

        def effects() -> Sequence[Effect]:
            edited = Organization.objects.get(pk=owner.pk)
            return [*compare(before, limits_today(edited, now=command.now)), *again()]

        return effects


ACTIONS: tuple[Action, ...] = (Edit(),)
