"""Giving back holds whose work will never be settled: those of an organization, by a button, or any that are selected on their list."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Count, QuerySet, Sum
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from credits import services
from credits.admin.actions import wallet_figures
from credits.models import ZERO, Reservation
from credits.services.holds import RELEASED_AT_ONCE, stuck
from credits.templatetags.amounts import credits
from organizations.admin.actions import Action, ActionForm, Command, Figure, Outcome
from organizations.admin.many import Many
from organizations.bulk import MOST, TooMany
from organizations.models import BulkItem, Organization
from organizations.models.bulk import Subject


class NothingToRelease(Exception):
    """None of the holds is open."""


class HoldsForm(ActionForm):
    holds = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_holds(self) -> list[UUID]:
        """Return the ids that were selected."""
        named = [text for text in self.cleaned_data["holds"].split(",") if text]
        try:
            return [UUID(text) for text in named[:RELEASED_AT_ONCE]]
        except ValueError as error:
            raise forms.ValidationError("Ids of holds, with commas, are expected.") from error


class ReleaseForm(HoldsForm):
    older_than = forms.DecimalField(
        label="Older than, in hours",
        min_value=0,
        max_value=100_000,
        decimal_places=2,
        required=False,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="All open holds of the organization that were made so long ago. Empty: those that were selected.",
    )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if "older_than" in self.errors or "holds" in self.errors:
            return cleaned
        if cleaned.get("older_than") is None and not cleaned.get("holds"):
            self.add_error("older_than", "Say how old, or select holds on their list.")
        return cleaned


class ReleaseHolds(Action):
    slug = "release-holds"
    permission = "credits.release"
    title = "Release stuck holds"
    icon = "lock_open"
    explanation = (
        "Gives back what open holds have reserved, because their work will not be settled. What settles one of them later is refused. "
        f"At most {RELEASED_AT_ONCE:,} at once, the oldest first; the rest is left for the next time."
    )
    form = ReleaseForm
    dangerous = True
    refusals = {NothingToRelease: None}

    def fits(self, organization: Organization) -> bool:
        return organization.wallet.open_holds > 0  # and on the list of holds

    def figures_of(self, command: Command) -> list[Figure]:
        totals = stuck(command.organization, now=command.now, **_which(command)).aggregate(
            count=Count("pk"), held=Sum("credits", default=ZERO)
        )
        return [
            Figure("Open holds that are meant", "How many", f"{totals['count']:,}"),
            Figure("Open holds that are meant", "Credits", credits(totals["held"])),
            *wallet_figures(command.organization, now=command.now),
        ]

    def perform(self, command: Command) -> Outcome:
        which = _which(command)
        released = services.release_many(
            organization=command.organization, now=command.now, **which
        )
        if not released:
            raise NothingToRelease("none of these holds is open")
        left = stuck(command.organization, now=command.now, **which).count()
        more = f" Still open: {left:,}. Do it again for the next." if left else ""
        return Outcome(f"{released:,} holds of {command.organization.name} are released.{more}")


def _which(command: Command) -> dict[str, Any]:
    """Return which holds are meant: those that are old enough, of those that were selected if some were."""
    hours = command.data["older_than"]
    made_before: datetime | None = None
    if hours is not None:
        made_before = command.now - timedelta(hours=float(hours))
    return {"holds": command.data["holds"] or None, "made_before": made_before}


class ReleaseMany(Many):
    """Holds that are selected on their list: of each organization, all of its own at once."""

    action = ReleaseHolds()
    form = HoldsForm
    title = "Release holds…"
    columns = ("How many", "Credits", "Reserved", "Available")

    def subjects(self, rows: QuerySet[Any]) -> list[Subject]:
        owners = _open(rows).values_list("wallet__organization_id", flat=True)
        return [(id, None) for id in owners.distinct()[: MOST + 1]]

    def meant(self, rows: QuerySet[Any]) -> dict[str, list[str]]:
        """Return the holds by their ids: those that are open now, and none that come later.

        :raises TooMany: if there are more than are released at once
        """
        ids = list(_open(rows).values_list("pk", flat=True)[: RELEASED_AT_ONCE + 1])
        if len(ids) > RELEASED_AT_ONCE:
            raise TooMany(f"at most {RELEASED_AT_ONCE:,} holds at once: narrow it down")
        return {"holds": [",".join(map(str, ids))]}

    def data_for(self, item: BulkItem, data: Mapping[str, Any]) -> dict[str, Any]:
        return {**data, "older_than": None}


def _open(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.filter(status=Reservation.Status.OPEN).order_by()


ACTIONS: tuple[Action, ...] = (ReleaseHolds(),)
OF_HOLDS: tuple[Many, ...] = (ReleaseMany(),)
