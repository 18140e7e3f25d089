"""What is done to many at once: credits, caps, limits, forgiving, switching off, releasing holds. Each is the action of a button, asked once."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet

from credits import services
from credits.admin.actions import SMALLEST, AmountForm, GrantCredits, GrantForm
from credits.admin.forms import CreditsField
from credits.admin.hold_actions import OF_HOLDS
from credits.admin.today import left_to_spend
from credits.models import ZERO
from organizations import bulk
from organizations.admin import many as carrying_out
from organizations.admin.actions import ActionForm, Command, Figure
from organizations.admin.many import Asked, Many, asked
from organizations.bulk import MOST
from organizations.jobs import Work
from organizations.models import BulkAction, BulkItem, Organization
from organizations.models.bulk import Subject
from usage.admin.actions import Forgive
from usage.admin.limit_actions import SetLimit, standing_figures
from usage.admin.person_actions import SwitchOff
from usage.admin.rule_actions import CapForm, SetCap


class GrantManyForm(GrantForm):
    """A grant for each. A payment is of one, so it has no reference."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["reference"]


class LimitManyForm(ActionForm):
    cap = CreditsField(
        label="Credits in a calendar month, for each",
        required=False,
        min_value=ZERO,
        help_text="Empty: no limit. 0: nothing may be spent.",
    )


class ForgiveManyForm(AmountForm):
    amount = CreditsField(
        label="Of each", min_value=SMALLEST, help_text="Credits, at most what each used this month."
    )


class OfOrganizations(Many):
    def subjects(self, rows: QuerySet[Any]) -> list[Subject]:
        return [(id, None) for id in rows.order_by().values_list("pk", flat=True)[: MOST + 1]]


class OfPeople(Many):
    of_people = True
    whose: ClassVar[Sequence[str]] = ("organization_id", "pk")
    """The columns that say which organization's, and who."""

    def subjects(self, rows: QuerySet[Any]) -> list[Subject]:
        found = rows.exclude(**{self.whose[1]: None}).order_by().values_list(*self.whose)
        return list(found.distinct()[: MOST + 1])

    def data_for(self, item: BulkItem, data: Mapping[str, Any]) -> dict[str, Any]:
        return {**data, "actor": item.actor}


class GrantMany(OfOrganizations):
    action = GrantCredits()
    form = GrantManyForm
    title = "Grant…"
    columns = ("Available", "Debt", "To come")
    gate = "New work"

    def data_for(self, item: BulkItem, data: Mapping[str, Any]) -> dict[str, Any]:
        return {**data, "reference": ""}

    def figures(self, command: Command) -> list[Figure]:
        reading = services.wallet_as_of(command.organization, now=command.now)
        left = left_to_spend(command.organization, reading).weight
        nothing = left == 0
        said = "nothing left to spend" if nothing else "passes"
        return [*super().figures(command), Figure("", "New work", said, int(nothing))]


class CapMany(OfOrganizations):
    action = SetCap()
    form = CapForm
    title = "Set cap…"
    columns = (
        "Cap of a billing period",
        "Used and reserved in this period",
        "Left of the cap",
        "New work",
    )
    gate = "New work"


class LimitMany(OfPeople):
    action = SetLimit()
    form = LimitManyForm
    title = "Set limit…"
    columns = ("Credits in a calendar month", "Used this month", "New work")
    gate = "New work"

    def data_for(self, item: BulkItem, data: Mapping[str, Any]) -> dict[str, Any]:
        assert item.actor is not None
        return {**data, "whose": item.actor.public_id, "actor": item.actor}


class SwitchOffMany(OfPeople):
    action = SwitchOff()
    form = ActionForm
    title = "Switch off…"
    columns = (
        "May spend",
        "Personal keys that open something",
        "Open holds, which may still settle",
        "Limit of a calendar month",
        "Share of the allowance of each",
    )


class ForgiveMany(OfPeople):
    """Of refusals: whoever was refused, each once."""

    action = Forgive()
    form = ForgiveManyForm
    title = "Forgive…"
    whose = ("organization_id", "actor_id")
    columns = ("Used this month", "Left of its cap", "New work")
    gate = "New work"

    def figures(self, command: Command) -> list[Figure]:
        work = standing_figures(command.data["actor"], now=command.now)[1:]
        return [*super().figures(command), *work]


OF_ORGANIZATIONS: tuple[Many, ...] = (GrantMany(), CapMany())
OF_PEOPLE: tuple[Many, ...] = (LimitMany(), SwitchOffMany())
OF_REFUSALS: tuple[Many, ...] = (ForgiveMany(),)
BY_SLUG: dict[str, Many] = {
    each.slug: each for each in (*OF_ORGANIZATIONS, *OF_PEOPLE, *OF_REFUSALS, *OF_HOLDS)
}


def rehearse_of(*, organization: Organization, now: datetime) -> None:
    """Look what actions on many would do to an organization and its people."""
    waiting = BulkItem.objects.filter(organization=organization, rehearsed_at=None)
    for of, item in _each(waiting, now=now):
        carrying_out.rehearse(of, item)


def do_of(*, organization: Organization, now: datetime) -> None:
    """Do what was confirmed to an organization and its people."""
    waiting = BulkItem.objects.filter(organization=organization, is_to_do=True, finished_at=None)
    for of, item in _each(waiting, now=now):
        carrying_out.do(of, item)


def _each(waiting: QuerySet[BulkItem], *, now: datetime) -> Iterator[tuple[Asked, BulkItem]]:
    known: dict[UUID, Asked] = {}
    for item in waiting.select_related("organization__parent", "actor").order_by("id"):
        if item.bulk_id not in known:
            row = BulkAction.objects.get(pk=item.bulk_id)
            known[item.bulk_id] = asked(row, BY_SLUG[row.action], now=now)
        yield known[item.bulk_id], item


REHEARSE_MANY = Work("rehearse for many", rehearse_of, bulk.to_rehearse)
DO_MANY = Work("do for many", do_of, bulk.to_do)
