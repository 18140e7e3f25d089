"""The models that somebody may use now."""

from rest_framework.request import Request
from rest_framework.response import Response

from organizations.doors import operation
from organizations.scopes import USAGE_READ, USAGE_WRITE
from usage.serializers import catalogue as shapes
from usage.services.catalogue import models_for
from usage.views.work import WorkView


class Models(WorkView):
    @operation(
        USAGE_READ,
        USAGE_WRITE,
        query=shapes.ModelsQuery,
        answer=shapes.ModelsShape,
        personal=True,
    )
    def get(self, request: Request) -> Response:
        """Every model, for an actor or for the organization: available, or why not."""
        actor = self.actor(self.query.get("actor_id"))
        listed = models_for(self.acting, actor, now=self.now)
        return Response({"items": shapes.ModelShape(listed, many=True).data})
