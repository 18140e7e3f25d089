"""The door of what is foreseen."""

from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from organizations.doors import operation
from organizations.models import Actor, Group
from organizations.permissions import ForbiddenScope, require
from organizations.scopes import CREDITS_READ, USAGE_READ
from usage.serializers import forecast as shapes
from usage.services import forecasts, limit_forecasts
from usage.views.work import WorkView


class CreditForecast(WorkView):
    @operation(
        CREDITS_READ,
        USAGE_READ,
        query=shapes.ForecastQuery,
        answer=shapes.ForecastShape,
        rate="long-running",
        personal=True,
    )
    def get(self, request: Request) -> Response:
        """When your credits are used up and when your cap is reached: a range, from up to eight weeks of use and all that is known to come.

        With `actorId` or `groupId`, when that limit is reached; so to a personal key, whose actor's it is.
        """
        days, whose = self.query["days"], self._whose()
        outlook: shapes.Foreseen
        if whose is not None:
            outlook = limit_forecasts.limit_of(whose, now=self.now, days=days)
        else:
            require(self.principal, CREDITS_READ)
            outlook = forecasts.outlook_of(self.acting, now=self.now, days=days)
        shape = shapes.ForecastShape(outlook, context={"to_child": self.to_child})
        return Response(shape.data)

    def _whose(self) -> Actor | Group | None:
        """Return whose limit is asked for, if anybody's: active or not.

        :raises ForbiddenScope: if a personal key asks of another actor than its own, or of a group
        :raises Http404: if the organization has no such actor or group
        """
        asked: dict[str, Any] = self.query
        self.require_own(asked)
        own = self.principal.key.actor_id
        if own is not None and "group_id" in asked:
            raise ForbiddenScope("a personal key asks of its own actor only")
        if "group_id" in asked:
            return get_object_or_404(self.acting.groups, id=asked["group_id"])
        if own is not None or "actor_id" in asked:
            return get_object_or_404(self.acting.actors, id=own or asked["actor_id"])
        if "actor_external_id" in asked:
            return get_object_or_404(self.acting.actors, external_id=asked["actor_external_id"])
        return None
