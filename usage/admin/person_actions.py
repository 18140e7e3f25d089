"""The buttons that let somebody go who may come back, and take them back: what stops, what goes on, and what stays, is said before."""

from datetime import datetime

from django.db.models import Sum

from credits import services
from credits.admin.actions import posted_by_hand, wallet_figures
from credits.admin.today import cap_in_words
from credits.models import ZERO, Reservation
from credits.templatetags.amounts import credits
from organizations.admin.actions import Action, Command, Figure, Outcome
from organizations.models import Actor
from organizations.proposals import Moved
from usage.admin.person import PersonAction, PersonForm, keys_that_open
from usage.services import budgets


class SwitchOff(PersonAction):
    slug = "switch-off"
    title = "Switch off"
    icon = "person_cancel"
    form = PersonForm
    explanation = (
        "Spends nothing from the next request on, and personal keys open nothing. What runs may still settle. The seat is free for somebody "
        "else; the share of the allowance that it brought stays until the term ends. Limit, groups and history stay, for when they come back."
    )
    dangerous = True

    def figures_of(self, command: Command) -> list[Figure]:
        return figures_of_person(command.data["actor"], now=command.now)

    def perform(self, command: Command) -> Outcome:
        actor = _set_active(command, active=False)
        return Outcome(f"{actor.public_id} is switched off.")


class SwitchOn(PersonAction):
    slug = "switch-on"
    title = "Switch on"
    icon = "person_check"
    form = PersonForm
    explanation = (
        "May spend again, and personal keys that were not revoked open again what they did. A user who takes a new seat of the term brings "
        "its share of the allowance."
    )

    def moved(self, command: Command) -> Moved:
        return posted_by_hand(command)

    def figures_of(self, command: Command) -> list[Figure]:
        actor = command.data["actor"]
        wallet = wallet_figures(command.organization, now=command.now)
        return [*figures_of_person(actor, now=command.now), *wallet]

    def perform(self, command: Command) -> Outcome:
        actor = _set_active(command, active=True)
        return Outcome(f"{actor.public_id} is switched on.")


def _set_active(command: Command, *, active: bool) -> Actor:
    return services.update_actor(
        actor=command.data["actor"],
        changes={"active": active},
        performed_by=command.performed_by,
        now=command.now,
    )


def figures_of_person(actor: Actor, *, now: datetime) -> list[Figure]:
    """Return what switching somebody on or off changes, and what stays: in the order in which people ask."""
    current = Actor.objects.select_related("organization").get(pk=actor.pk)
    owner = current.organization
    standing = budgets.standing_of(current, now=now)
    period = services.wallet_as_of(owner, now=now).period
    held = current.reservations.filter(status=Reservation.Status.OPEN)
    sums = held.aggregate(credits=Sum("credits", default=ZERO))
    holds = f"{held.count()}, {credits(sums['credits'])} credits"
    users = owner.actors.filter(active=True, kind=Actor.Kind.USER).count()
    named = ", ".join(group.name for group in current.groups.order_by("name")[:5])
    whose = current.name
    return [
        Figure(whose, "May spend", "yes" if current.active else "no"),
        Figure(whose, "Personal keys that open something", str(keys_that_open(current, now))),
        Figure(whose, "Open holds, which may still settle", holds),
        Figure(whose, "Limit of a calendar month", cap_in_words(standing.terms.cap)),
        Figure(whose, "Used of it", credits(standing.used)),
        Figure(whose, "Groups", named or "none"),
        Figure(owner.name, "Active users", str(users)),
        Figure(owner.name, "Seats that the term has brought", str(period.seats)),
        Figure(owner.name, "Share of the allowance of each", credits(period.share)),
    ]


ACTIONS: tuple[Action, ...] = (SwitchOff(), SwitchOn())
