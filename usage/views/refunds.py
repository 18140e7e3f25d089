"""Refunds of what was charged for reservations."""

from uuid import UUID

import simplejson
from django.http import HttpResponse
from rest_framework.request import Request

from credits.services import wallet_as_of
from organizations import ids
from organizations.doors import Body, operation
from organizations.idempotency import Answer, Stored
from organizations.scopes import MANAGE
from usage import services
from usage.serializers import refunds as shapes
from usage.views.reservations import ReservationView


class Refunds(ReservationView):
    @operation(MANAGE, body=shapes.AskRefund, answer=shapes.RefundShape, idempotency="required")
    def post(self, request: Request, rsv_id: UUID) -> HttpResponse:
        """Give back what was charged for settled work, all or a part: to the grants that it came from, and off the counters of its month."""
        reservation = self.reservation(rsv_id)

        def refund(body: Body) -> Answer:
            done = services.refund(
                organization=self.acting,
                reservation_id=reservation.id,
                performed_by=self.performed_by,
                now=self.now,
                **body,
            )
            said = {"refund": done, "reading": wallet_as_of(self.acting, now=self.now)}
            context = {"now": self.now, "to_child": self.to_child}
            shape = shapes.RefundShape(said, context=context)
            return Answer(200, shape.data, replay={"replayed": True})

        return self.once(refund)

    def present_status(self, stored: Stored) -> str | None:
        """Return the status of its reservation by now."""
        rsv_id = ids.read("rsv", simplejson.loads(stored.body)["reservation"]["id"])
        return self.reservation(rsv_id).status_at(self.now)
