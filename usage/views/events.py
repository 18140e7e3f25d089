"""Work that was done: what happened, and what is told afterwards."""

from rest_framework.request import Request
from rest_framework.response import Response

from organizations.doors import ApiView, operation
from organizations.pagination import page_of
from organizations.scopes import USAGE_READ, USAGE_WRITE
from usage import services
from usage.serializers import events as shapes
from usage.services import history
from usage.views.reservations import REQUEST_PATH

TWO_MEGABYTES = 2 * 1024 * 1024


class Events(ApiView):
    max_body_bytes = TWO_MEGABYTES

    @operation(
        USAGE_READ, query=shapes.EventQuery, answer=page_of(shapes.UsageEventShape), personal=True
    )
    def get(self, request: Request) -> Response:
        """What happened, newest first; to a personal key, what its actor did."""
        pages = ("limit", "cursor")
        wanted = {name: value for name, value in self.query.items() if name not in pages}
        listing = history.events_of(self.acting, own_actor_id=self.principal.key.actor_id, **wanted)
        return self.page(shape=shapes.UsageEventShape, **listing._asdict())

    @operation(
        USAGE_WRITE,
        body=shapes.TellEvents,
        answer=shapes.ResultsShape,
        idempotency="ignored",
        rate=REQUEST_PATH,
        spends=True,
    )
    def post(self, request: Request) -> Response:
        """Tell 1 to 1,000 pieces of work that were done. Each is charged once for ever, into debt if need be.

        What cannot be read or recorded is `rejected` with a reason, and keeps nothing else from it.
        """
        events = self.body()["events"]
        told = [
            services.Told(**{"occurred_at": self.now, **event})
            for event in events
            if not isinstance(event, shapes.Misread)
        ]
        recorded = services.record(
            organization=self.acting,
            told=told,
            performed_by=self.principal.key.public_id,
            now=self.now,
        )
        others = iter(recorded)
        results = [e if isinstance(e, shapes.Misread) else next(others) for e in events]
        return Response({"results": shapes.ResultShape(results, many=True).data})
