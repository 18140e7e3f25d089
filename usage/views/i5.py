"""Informer i5: an actor's AI budget, usage reports, profiles, budgets and the subscription. Source: /api/ai-budget, /api/usage."""

import functools
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from credits import services as credits_services
from organizations import ids
from organizations.doors import ApiView, Body, operation
from organizations.idempotency import Answer
from organizations.models import UsageProfile
from organizations.permissions import ForbiddenScope
from organizations.scopes import MANAGE, USAGE_READ, USAGE_WRITE
from organizations.visible import hides
from usage.serializers import i5 as shapes
from usage.serializers import i5_shapes as answers
from usage.serializers.reservations import RESOURCE_TYPES
from usage.services import budgets, profiles, rollups

YEAR = timedelta(days=365)
MAX_DAYS = 366
MAX_DAYS_BY_MONTH = 5 * 366
"""How long a span of days a report may be of: it reads a row for each day and resource."""
MAX_ROWS = 1_000
"""How many resources and profiles one answer names."""


class I5View(ApiView):
    """What the views of i5 share: its envelope, and the days of a report."""

    envelope = "i5"

    def days(self, *, default_first: date, most: int = MAX_DAYS) -> dict[str, Any]:
        """The first and the last day of a report, both included.

        :raises ValidationError: if there are more days than `most` between them
        """
        today = self.now.date()
        last = self.query.get("endDate", today)
        first = self.query.get("startDate", min(default_first, last))
        if (last - first).days >= most:
            wrong = "startDate" if "startDate" in self.query else "endDate"
            raise ValidationError({wrong: [f"A report is of at most {most} days."]})
        return {"first_day": first, "last_day": last}

    def report(
        self, *dimensions: rollups.Dimension, days: dict[str, Any], limit: int | None = None
    ) -> Any:
        return rollups.report(self.acting, *dimensions, **days, limit=limit)

    @property
    def this_month(self) -> date:
        return self.now.date().replace(day=1)


class AiBudget(I5View):
    @operation(USAGE_READ, USAGE_WRITE, personal=True, answer=answers.AiBudgetShape)
    def get(self, request: Request) -> Response:
        """What the actor whose key this is may still use this month, and what is in the pool."""
        actor = self.principal.key.actor
        if actor is None:
            raise ForbiddenScope("only a personal key has an AI budget")
        standing = budgets.standing_of(actor, now=self.now)
        pool = budgets.pool_of(self.acting, now=self.now)
        return Response(shapes.ai_budget(self.acting, standing, pool, now=self.now))


class Usage(I5View):
    @operation(MANAGE, query=shapes.DaysQuery, answer=answers.UsageShape)
    def get(self, request: Request) -> Response:
        """What the organization used from one day to another, by resource and by day; its budgets and its pool."""
        days = self.days(default_first=self.this_month)
        summary = self.summary(days)
        daily = self.report("day", "work_type", days=days)
        pool = budgets.pool_of(self.acting, now=self.now)
        capped = budgets.budgets_of(self.acting, now=self.now)
        return Response(
            {
                "usageSummary": [
                    *(shapes.summary_row(row) for row in summary),
                    *shapes.other_rows(summary, daily),
                ],
                "dailyTotals": [shapes.daily_row(row) for row in daily],
                "budgets": [shapes.reported_budget(budget) for budget in capped],
                "creditPool": shapes.pool(pool),
                "sync": {
                    "syncedAt": shapes.moment(self.now),
                    "lastSyncFailedAt": None,
                    "lastSyncFailureCode": None,
                    "stalenessLevel": None,
                },
            }
        )

    def summary(self, days: dict[str, Any]) -> list[dict[str, Any]]:
        """What each kind of work on each resource added up to: all of them, or the largest of very many."""
        report = functools.partial(
            rollups.report, self.acting, "resource_type", "resource_id", "work_type", **days
        )
        rows = report(limit=MAX_ROWS + 1, largest_first=False)
        return list(rows if len(rows) <= MAX_ROWS else report(limit=MAX_ROWS))


class MonthlyUsage(I5View):
    @operation(MANAGE, query=shapes.DaysQuery, answer=answers.MonthlyUsageShape)
    def get(self, request: Request) -> Response:
        """What the organization used month by month; the last twelve unless said."""
        year_ago = (self.now.date() - YEAR).replace(day=1)
        days = self.days(default_first=year_ago, most=MAX_DAYS_BY_MONTH)
        rows = self.report("month", "work_type", days=days)
        return Response({"monthlyTotals": [shapes.monthly_row(row) for row in rows]})


class TopConsumers(I5View):
    @operation(MANAGE, query=shapes.TopQuery, answer=answers.TopConsumersShape)
    def get(self, request: Request) -> Response:
        """Who used most, the largest first."""
        days = self.days(default_first=self.this_month)
        rows = self.report("actor_id", days=days, limit=self.query["limit"])
        actors = self.acting.actors.in_bulk([row["actor_id"] for row in rows if row["actor_id"]])
        said = [shapes.consumer_row(row, actors.get(row["actor_id"])) for row in rows]
        return Response({"topConsumers": said})


class Profiles(I5View):
    @operation(MANAGE, answer=answers.ProfilesShape)
    def get(self, request: Request) -> Response:
        """The system's profiles, then the organization's own in the order of their creation."""
        return Response(shapes.profiles(list(profiles.profiles_for(self.acting)[:MAX_ROWS])))

    @operation(MANAGE, body=shapes.ProfileFields, answer=answers.ProfileShape)
    def post(self, request: Request) -> HttpResponse:
        """A new profile of the organization."""

        def create(body: Body) -> Answer:
            author = self.principal.key.public_id
            made = profiles.create_profile(
                organization=self.acting, performed_by=author, now=self.now, **body
            )
            return Answer(200, shapes.profile(made))

        return self.once(create)


class ProfileDetail(I5View):
    def profile(self, profile_id: str) -> UsageProfile:
        """Return a profile that the organization may see.

        :raises Http404: if there is none, or the id is not one
        """
        return get_object_or_404(profiles.profiles_for(self.acting), id=_uuid(profile_id))

    @operation(MANAGE, answer=answers.ProfileShape)
    def get(self, request: Request, profile_id: str) -> Response:
        """A profile."""
        return Response(shapes.profile(self.profile(profile_id)))

    @operation(MANAGE, body=shapes.ProfileFields, answer=answers.ProfileShape)
    def put(self, request: Request, profile_id: str) -> HttpResponse:
        """Replace a profile of the organization."""
        return self._change(self.profile(profile_id))

    @operation(MANAGE, body=shapes.ProfileChanges, answer=answers.ProfileShape)
    def patch(self, request: Request, profile_id: str) -> HttpResponse:
        """Change what is named of a profile of the organization."""
        return self._change(self.profile(profile_id))

    @operation(MANAGE, answer=answers.DeletedProfileShape)
    def delete(self, request: Request, profile_id: str) -> HttpResponse:
        """Delete a profile that nobody has."""
        profile = self.profile(profile_id)

        def delete(body: Body) -> Answer:
            profiles.delete_profile(profile=profile, performed_by=self.performed_by)
            return Answer(200, {"id": profile_id, "deleted": True})

        return self.once(delete)

    def _change(self, profile: UsageProfile) -> HttpResponse:
        def change(body: Body) -> Answer:
            author = self.principal.key.public_id
            changed = profiles.update_profile(
                profile=profile, changes=body, performed_by=author, now=self.now
            )
            return Answer(200, shapes.profile(changed))

        return self.once(change)


class Budgets(I5View):
    @operation(MANAGE, answer=answers.BudgetShape)
    def get(self, request: Request, entity_type: str, entity_id: str) -> Response:
        """The budget of an app or dataset; at the first look it is made, without a cap."""
        found = budgets.budget_of(
            organization=self.acting,
            performed_by=self.performed_by,
            now=self.now,
            **_resource(entity_type, entity_id),
        )
        return Response(shapes.budget(found))

    @operation(MANAGE, body=shapes.SetBudget, answer=answers.BudgetShape)
    def put(self, request: Request, entity_type: str, entity_id: str) -> HttpResponse:
        """Set the monthly budget of an app or dataset; null removes its cap, and nothing sent changes nothing."""
        resource = _resource(entity_type, entity_id)

        def set_budget(body: Body) -> Answer:
            common: dict[str, Any] = {
                "organization": self.acting,
                "performed_by": self.performed_by,
                "now": self.now,
                **resource,
            }
            if body:
                found = budgets.set_budget(cap=body["cap"], **common)
            else:
                found = budgets.budget_of(**common)
            return Answer(200, shapes.budget(found))

        return self.once(set_budget)


class SubscriptionView(I5View):
    """What the views of the subscription share: saying it, and whether it goes on."""

    def shape(self) -> dict[str, Any]:
        return shapes.subscription(credits_services.wallet_as_of(self.acting, now=self.now))

    def cancel(self, *, at_period_end: bool) -> HttpResponse:
        """Say whether the running term is the last one. Credits stay spendable to its end."""

        def change(body: Body) -> Answer:
            credits_services.update_terms(
                organization=self.acting,
                changes={"cancel_at_period_end": at_period_end},
                asked_by=self.principal.key.organization,
                performed_by=self.performed_by,
                now=self.now,
            )
            return Answer(200, self.shape() | {"cacheUpdated": True})

        return self.once(change)


class Subscription(SubscriptionView):
    @operation(MANAGE, answer=answers.SubscriptionShape)
    def get(self, request: Request) -> Response:
        """The terms of the organization, as a subscription."""
        return Response(self.shape())


class SubscriptionCancellation(SubscriptionView):
    @operation(MANAGE, answer=answers.ChangedSubscriptionShape)
    def post(self, request: Request) -> HttpResponse:
        """Let the subscription end with its term."""
        return self.cancel(at_period_end=True)


class SubscriptionReactivation(SubscriptionView):
    @operation(MANAGE, answer=answers.ChangedSubscriptionShape)
    def post(self, request: Request) -> HttpResponse:
        """Undo a cancellation of yours. One of your parent or of the staff stays: 409."""
        return self.cancel(at_period_end=False)


class CacheRefresh(I5View):
    @operation(MANAGE, body=shapes.RefreshCache, answer=answers.RefreshedShape)
    def post(self, request: Request) -> HttpResponse:
        """Answer with what is true now: there is no cache to refresh."""

        def refresh(body: Body) -> Answer:
            pool = shapes.pool(budgets.pool_of(self.acting, now=self.now))
            synced_at = shapes.moment(self.now)
            return Answer(200, {"success": True, "syncedAt": synced_at, "creditBalance": pool})

        return self.once(refresh)


def _resource(entity_type: str, entity_id: str) -> dict[str, str]:
    """Return a resource by the words of the contract, which calls it an entity.

    :raises Http404: if it is of a type that has no budgets, or its id is not one
    """
    if entity_type not in RESOURCE_TYPES or not 1 <= len(entity_id) <= 128:
        raise Http404
    if not entity_id.isprintable() or hides(entity_id):
        raise Http404
    return {"resource_type": entity_type, "resource_id": entity_id}


def _uuid(text: str) -> UUID:
    try:
        return ids.read("prf", text)
    except ids.MalformedId as error:
        raise Http404 from error
