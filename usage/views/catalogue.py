"""The models that somebody may use now."""

from functools import cached_property

from rest_framework.request import Request
from rest_framework.response import Response

from organizations.doors import operation
from organizations.pagination import page
from organizations.scopes import USAGE_READ, USAGE_WRITE
from usage.serializers import catalogue as shapes
from usage.services import catalogue, credit, terms
from usage.services.book import Book
from usage.views.work import WorkView


class Models(WorkView):
    @cached_property
    def book(self) -> Book:
        """The terms as they are now: nobody looks at a list again under a lock."""
        return terms.current(self.acting)

    @operation(
        USAGE_READ,
        USAGE_WRITE,
        query=shapes.ModelsQuery,
        answer=shapes.MODELS,
        personal=True,
    )
    def get(self, request: Request) -> Response:
        """The models, for an actor or for the organization: available, or why not, and what they cost it; and what a credit is. By their ids; with `available` a page may have fewer than its limit, and still a cursor."""
        actor = self.actor(self.query)
        wanted = {
            name: self.query[name] for name in ("provider", "tier", "q") if name in self.query
        }
        models, cursor = page(
            catalogue.found(self.acting, **wanted),
            limit=self.query["limit"],
            cursor=self.query.get("cursor"),
            by="slug",
            ascending=True,
        )
        listed = catalogue.standing_of(models, self.book, actor, now=self.now)
        if "available" in self.query:
            listed = [each for each in listed if each.available == self.query["available"]]
        items = shapes.ModelShape(listed, many=True).data
        worth = f"{credit.current().normalize():f}"
        return Response({"items": items, "nextCursor": cursor, "creditUsd": worth})
