"""The models that somebody may use now."""

from rest_framework.request import Request
from rest_framework.response import Response

from organizations.doors import operation
from organizations.pagination import page, page_of
from organizations.scopes import USAGE_READ, USAGE_WRITE
from usage.serializers import catalogue as shapes
from usage.services import catalogue
from usage.views.work import WorkView


class Models(WorkView):
    @operation(
        USAGE_READ,
        USAGE_WRITE,
        query=shapes.ModelsQuery,
        answer=page_of(shapes.ModelShape),
        personal=True,
    )
    def get(self, request: Request) -> Response:
        """The models, for an actor or for the organization: available, or why not. By their ids; a limit of 100 shows most catalogues whole."""
        actor = self.actor(self.query.get("actor_id"))
        models, cursor = page(
            catalogue.shown_to(self.acting),
            limit=self.query["limit"],
            cursor=self.query.get("cursor"),
            by="slug",
            ascending=True,
        )
        listed = catalogue.standing_of(models, self.acting, actor, now=self.now)
        items = shapes.ModelShape(listed, many=True).data
        return Response({"items": items, "nextCursor": cursor})
