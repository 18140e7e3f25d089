"""Editing an organization: where another default profile is meant, with what that means for its people today, and for the month's work."""

from collections.abc import Callable, Sequence

from credits.admin import edit_action
from organizations.admin.actions import Action, Again, Command, Effect, compare
from organizations.models import Organization
from usage.admin.again import month_again
from usage.admin.today import limits_today


class Edit(edit_action.Edit):
    def again(self, command: Command) -> Again:
        owner = command.organization
        if command.data["default_profile"] == owner.default_profile:
            return super().again(command)
        before, again = limits_today(owner, now=command.now), month_again(owner, now=command.now)

        def changed() -> Callable[[], Sequence[Effect]]:
            edited = Organization.objects.get(pk=owner.pk)
            today, effects = compare(before, limits_today(edited, now=command.now)), again()
            return lambda: [*today, *effects()]

        return changed


ACTIONS: tuple[Action, ...] = (Edit(),)
