"""Work that was done: what happened, and what is told afterwards."""

from rest_framework.request import Request
from rest_framework.response import Response

from organizations.doors import ApiView, operation
from organizations.pagination import page_of
from organizations.scopes import USAGE_READ, USAGE_WRITE
from usage import services
from usage.models import UsageEvent
from usage.serializers import events as shapes
from usage.views.reservations import REQUEST_PATH

TWO_MEGABYTES = 2 * 1024 * 1024


class Events(ApiView):
    max_body_bytes = TWO_MEGABYTES

    @operation(
        USAGE_READ, query=shapes.EventQuery, answer=page_of(shapes.UsageEventShape), personal=True
    )
    def get(self, request: Request) -> Response:
        """What happened, newest first; to a personal key, what its actor did."""
        query = self.query
        rows = UsageEvent.objects.filter(organization=self.acting).select_related("group")
        own = self.principal.key.actor_id
        if own is not None:
            rows = rows.filter(actor_id=own)
        equal = {"actor_id": "actor_id", "model": "model_id", "source": "source"}
        bounds = {"since": "occurred_at__gte", "until": "occurred_at__lte"}
        wanted = {field: query[n] for n, field in (equal | bounds).items() if n in query}
        return self.page(rows.filter(**wanted), shapes.UsageEventShape)

    @operation(
        USAGE_WRITE,
        body=shapes.TellEvents,
        answer=shapes.ResultsShape,
        idempotency="ignored",
        rate=REQUEST_PATH,
        spends=True,
    )
    def post(self, request: Request) -> Response:
        """Tell 1 to 1,000 pieces of work that were done. Each is charged once for ever, into debt if need be."""
        told = [
            services.Told(**{"occurred_at": self.now, **event}) for event in self.body()["events"]
        ]
        results = services.record(
            organization=self.acting,
            told=told,
            performed_by=self.principal.key.public_id,
            now=self.now,
        )
        return Response({"results": shapes.ResultShape(results, many=True).data})
