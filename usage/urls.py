"""The paths of usage: below `/api/v1/`, and those of i5 below `/api/`."""

from django.urls import path

from usage.views import (
    actors,
    alerts,
    catalogue,
    children,
    events,
    forecast,
    i5,
    keys,
    ledger,
    omni,
    refunds,
)
from usage.views import reservations as views

_RESERVATION = "usage/reservations/<str:rsv_id>"
_CONTROLS = "ai/credit-controls"
_USAGE = "ai/credit-usage"

urlpatterns = [
    # They are tried in this order: what a gateway asks for each of its requests comes first.
    path("usage/reservations", views.Reservations.as_view()),
    path(f"{_RESERVATION}/settle", views.Settlement.as_view()),
    path("usage/check", views.Check.as_view()),
    path(_RESERVATION, views.ReservationDetail.as_view()),
    path(f"{_RESERVATION}/release", views.Release.as_view()),
    path(f"{_RESERVATION}/extend", views.Extension.as_view()),
    path(f"{_RESERVATION}/grow", views.Growth.as_view()),
    path(f"{_RESERVATION}/refund", refunds.Refunds.as_view()),
    path("credits/alerts", alerts.Alerts.as_view()),
    path("organizations/bulk", children.Children.as_view()),
    path("organizations/<str:org_id>/api-keys", keys.ApiKeys.as_view()),
    path("credits/events", ledger.CreditEvents.as_view()),
    path("credits/forecast", forecast.CreditForecast.as_view()),
    path("organizations/<str:org_id>/credits/events", ledger.ChildCreditEvents.as_view()),
    path("sandbox/reset", keys.SandboxReset.as_view()),
    path("actors", actors.Actors.as_view()),
    path("actors/<str:act_id>", actors.ActorDetail.as_view()),
    path("groups", actors.Groups.as_view()),
    path("groups/<str:grp_id>", actors.GroupDetail.as_view()),
    path("groups/<str:grp_id>/members/<str:act_id>", actors.Member.as_view()),
    path("models", catalogue.Models.as_view()),
    path("usage/events", events.Events.as_view()),
    path(_CONTROLS, omni.CreditControls.as_view()),
    path(f"{_CONTROLS}/users", omni.UserLimits.as_view()),
    path(f"{_CONTROLS}/entity-groups", omni.EntityGroupLimits.as_view()),
    path(f"{_CONTROLS}/user-groups", omni.UserGroupLimits.as_view()),
    path(f"{_USAGE}/users", omni.UserUsage.as_view()),
    path(f"{_USAGE}/entity-groups", omni.EntityGroupUsage.as_view()),
    path(f"{_USAGE}/user-groups", omni.UserGroupUsage.as_view()),
]

i5_urlpatterns = [
    path("ai-budget", i5.AiBudget.as_view()),
    path("usage", i5.Usage.as_view()),
    path("usage/monthly", i5.MonthlyUsage.as_view()),
    path("usage/top-consumers", i5.TopConsumers.as_view()),
    path("usage/subscription", i5.Subscription.as_view()),
    path("usage/subscription/_cancel", i5.SubscriptionCancellation.as_view()),
    path("usage/subscription/_reactivate", i5.SubscriptionReactivation.as_view()),
    path("usage-profiles", i5.Profiles.as_view()),
    path("usage-profiles/<str:profile_id>", i5.ProfileDetail.as_view()),
    path("usage-budgets/<str:entity_type>/<str:entity_id>", i5.Budgets.as_view()),
    path("_ai-refresh-cache", i5.CacheRefresh.as_view()),
]
"""Informer i5's paths, below `/api/`."""
