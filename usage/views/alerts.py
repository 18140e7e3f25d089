"""The door of alerts: what somebody should know, without asking whether work would pass."""

from rest_framework.request import Request
from rest_framework.response import Response

from organizations.doors import ApiView, operation
from organizations.models import Alert
from organizations.pagination import page_of
from organizations.scopes import CREDITS_READ
from usage.serializers import alerts as shapes

ALERTS = page_of(shapes.AlertShape)


class Alerts(ApiView):
    @operation(CREDITS_READ, query=shapes.AlertQuery, answer=ALERTS)
    def get(self, request: Request) -> Response:
        """What is true of your credits now and should be known: near a cap, a budget warning, dry soon, in debt, refused more than usual. Newest first."""
        told = shapes.told_to(child=self.to_child)
        asked = self.query.get("kind")
        kinds = [kind for kind in told if asked in (None, kind)]
        mine = Alert.objects.filter(organization=self.acting, resolved_at=None, kind__in=kinds)
        return self.page(mine, shape=shapes.AlertShape, context={"told": told})
