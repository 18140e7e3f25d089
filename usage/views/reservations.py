"""Reservations, which hold credits while work runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import simplejson
from django.http import Http404, HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from credits import services as credits_services
from credits.models import Reservation
from credits.services import BillingExhausted, HoldsAreEnding
from credits.services.finding import find_hold, find_hold_now
from organizations import ids, wire
from organizations.doors import ApiView, AtOnce, Body, operation
from organizations.idempotency import Answer, Denied, Earlier, Key, Stored
from organizations.models import Organization
from organizations.pagination import page_of
from organizations.scopes import USAGE_READ, USAGE_WRITE
from usage import services
from usage.serializers import reservations as shapes
from usage.serializers.holds import HoldQuery, HoldShape
from usage.serializers.telling import Answered
from usage.services import denials, history, names
from usage.views.work import WorkView

REQUEST_PATH = "request-path"
"""The rate class of what a gateway calls twice per request."""
ESTIMATE = {"credits": "estimatedCredits", "tokens": "maxOutputTokens"}
"""The fields that say how much work there may be."""


class ReservationView(ApiView):
    """What the views of reservations share: finding one, and saying one, or why there is none."""

    def reservation(self, rsv_id: UUID) -> Reservation:
        """Return a reservation of the acting organization; to a personal key, its actor's own.

        :raises Http404: if there is none
        """
        return self._found(find_hold, rsv_id)

    def _found(self, find: Callable[..., Reservation], rsv_id: UUID) -> Reservation:
        own = self.principal.key.actor_id
        try:
            return find(self.acting.id, rsv_id, actor_id=own, send=self.read)
        except Reservation.DoesNotExist as error:
            raise Http404 from error

    def shape(self, reservation: Reservation) -> dict[str, Any]:
        return shapes.said(reservation, now=self.now, to_child=self.to_child)

    def rendered(self, stored: Stored) -> bytes:
        """Return the bytes of an answer of which only what they say was kept."""
        return wire.dumps(self.shape(shapes.remembered(stored.body.decode(), self.acting)))

    @property
    def is_personal(self) -> bool:
        """Whether an actor asks for itself."""
        return self.principal.key.actor_id is not None

    @contextmanager
    def naming(self, body: Body, *, credits: str, tokens: str) -> Iterator[None]:
        """Name the field of a body that says what cannot be true, in the error: the one for credits, or that for tokens."""
        try:
            yield
        except (
            credits_services.ChargeTooLarge,
            services.NothingHeld,
            services.NoPrice,
        ) as error:
            error.details = {"fields": {_said_as(body, credits, tokens): [str(error)]}}
            raise

    def present_status(self, stored: Stored) -> str | None:
        """Return the status of a reservation by now: the first answer to it may say `open` of one that was released since."""
        rsv_id = ids.read("rsv", simplejson.loads(stored.body)["id"])  # in every format
        return self.reservation(rsv_id).status_at(self.now)

    def at_once(self, found: Reservation | Earlier | None, *, status: int = 200) -> AtOnce:
        """Answer with what one statement did, or found to be done."""
        return Answer(status, self.shape(found)) if isinstance(found, Reservation) else found

    def outcome(
        self, found: Reservation | services.Denied | services.Left, *, status: int = 200
    ) -> Answer | Denied:
        """Answer with a reservation, or with why it was refused; a refill on the way stays."""
        if isinstance(found, Reservation):
            return Answer(status, self.shape(found))
        if isinstance(found, services.Denied) and not isinstance(found, HoldsAreEnding):
            found.details = shapes.DenialShape(found, context={"to_child": self.to_child}).data
        return Denied(found)


class Reservations(WorkView, ReservationView):
    @operation(USAGE_READ, query=HoldQuery, answer=page_of(HoldShape), personal=True)
    def get(self, request: Request) -> Response:
        """Your reservations, newest first; to a personal key, its actor's own."""
        names = ("status", "actor_id", "actor_external_id", "since", "until")
        wanted = {name: self.query[name] for name in names if name in self.query}
        own = self.principal.key.actor_id
        listing = history.holds_of(self.acting, own_actor_id=own, now=self.now, **wanted)
        return self.page(shape=HoldShape, **listing._asdict())

    @operation(
        USAGE_WRITE,
        body=shapes.Reserve,
        answer=shapes.ReservationShape,
        denial=shapes.DenialShape,
        status=201,
        rate=REQUEST_PATH,
        spends=True,
        personal=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Hold credits for work that is about to run: all that it may cost, or with `up_to` what there is."""
        asked: list[services.Work] = []

        def reserve(body: Body) -> Answer | Denied:
            work, rest = self.work(body)
            asked.append(work)
            performed_by = self.principal.key.public_id
            with self.naming(body, **ESTIMATE):
                found = services.reserve(work, performed_by=performed_by, now=self.now, **rest)
            return self.outcome(found, status=201)

        def at_once(body: Body, key: Key | None) -> AtOnce:
            work, rest = self.work(body)
            performed_by = self.principal.key.public_id
            with self.naming(body, **ESTIMATE):
                request = services.Request(work, self.now, performed_by=performed_by, **rest)
                held = services.reserve_at_once(request, key=key)
            return self.at_once(held, status=201)

        try:
            return self.once(reserve, allowed=self.require_own, at_once=at_once)
        except (BillingExhausted, services.NotAllowed) as denial:
            denials.record(asked[-1], denial, now=self.now, request_id=self.request_id)
            raise


class Check(WorkView, ReservationView):
    @operation(
        USAGE_WRITE,
        USAGE_READ,
        body=shapes.Ask,
        answer=shapes.CheckShape,
        idempotency="ignored",
        rate=REQUEST_PATH,
        spends=True,
        personal=True,
        reads_first=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """What a reservation would be: the model, the price, the limits as they are before it, or why not. Nothing is held."""
        body = self.body()
        requested = body.get("model")
        work, rest = self.work(body)
        with self.naming(body, **ESTIMATE):
            found = self._checked(services.Request(work, self.now, kind="check", **rest))
        if isinstance(found, services.Decision):
            said = shapes.allowed(found, requested=requested, to_child=self.to_child)
        elif isinstance(found, HoldsAreEnding):
            raise found
        else:
            said = shapes.refused(found, requested=requested, to_child=self.to_child)
        return self.json(wire.dumps(said))

    def _checked(self, request: services.Request) -> services.Decision | services.Denied:
        found = services.check_at_once(request, send=self.read)
        if found is not None:
            return found
        self.require_looked_up()
        return services.check_with_care(request)


class ReservationDetail(ReservationView):
    @operation(
        USAGE_READ,
        USAGE_WRITE,
        answer=shapes.ReservationShape,
        rate=REQUEST_PATH,
        while_suspended=True,
        personal=True,
        reads_first=True,
    )
    def get(self, request: Request, rsv_id: UUID) -> HttpResponse:
        """A reservation, as it is now, and its limits as they are now."""
        return self.json(wire.dumps(self.shape(self._found(find_hold_now, rsv_id))))


class Settlement(ReservationView):
    @operation(
        USAGE_WRITE,
        body=shapes.Settle,
        answer=shapes.ReservationShape,
        rate=REQUEST_PATH,
        while_suspended=True,
        personal=True,
        reads_first=True,
    )
    def post(self, request: Request, rsv_id: UUID) -> HttpResponse:
        """Charge what the work cost, and give back the rest. Once: a repeat gets the first answer."""
        reservation = self.reservation(rsv_id)

        def settle(body: Body) -> Answer:
            with self.naming(body, credits="credits", tokens="outputTokens"):
                settled = services.settle(
                    organization=self.acting,
                    reservation_id=reservation.id,
                    performed_by=self.principal.key.public_id,
                    personal=self.is_personal,
                    now=self.now,
                    **body,
                )
            return Answer(200, self.shape(settled))

        def at_once(body: Body, key: Key | None) -> AtOnce:
            performed_by = self.principal.key.public_id
            done = services.Done(
                *(self.acting, reservation, performed_by, self.now),
                personal=self.is_personal,
                **body,
            )
            with self.naming(body, credits="credits", tokens="outputTokens"):
                return self.at_once(services.settle_at_once(done, key=key))

        return self.once(settle, at_once=at_once)


class Release(ReservationView):
    @operation(
        USAGE_WRITE,
        answer=shapes.ReservationShape,
        rate=REQUEST_PATH,
        while_suspended=True,
        personal=True,
        reads_first=True,
    )
    def post(self, request: Request, rsv_id: UUID) -> HttpResponse:
        """Give the credits back: the work did not happen."""
        reservation = self.reservation(rsv_id)

        def release(body: Body) -> Answer:
            released = credits_services.release(
                organization=self.acting, reservation_id=reservation.id, now=self.now
            )
            return Answer(200, self.shape(released))

        return self.once(release)


class Extension(ReservationView):
    @operation(
        USAGE_WRITE,
        body=shapes.Extend,
        answer=shapes.ReservationShape,
        rate=REQUEST_PATH,
        spends=True,
        personal=True,
        reads_first=True,
    )
    def post(self, request: Request, rsv_id: UUID) -> HttpResponse:
        """Let an open reservation live longer, counted from now. Never shorter."""
        reservation = self.reservation(rsv_id)

        def extend(body: Body) -> Answer:
            extended = credits_services.extend(
                organization=self.acting, reservation_id=reservation.id, now=self.now, **body
            )
            return Answer(200, self.shape(extended))

        return self.once(extend)


class Growth(ReservationView):
    @operation(
        USAGE_WRITE,
        body=shapes.Grow,
        answer=shapes.ReservationShape,
        denial=shapes.DenialShape,
        rate=REQUEST_PATH,
        spends=True,
        personal=True,
        reads_first=True,
    )
    def post(self, request: Request, rsv_id: UUID) -> HttpResponse:
        """Make this the new total of an open reservation. Less than it has changes nothing."""
        reservation = self.reservation(rsv_id)
        asked: list[services.Work] = []

        def grow(body: Body) -> Answer | Denied:
            asked.append(_growth(self.acting, reservation, body.get("credits")))
            with self.naming(body, **ESTIMATE):
                grown = services.grow(
                    organization=self.acting, reservation_id=reservation.id, now=self.now, **body
                )
            return self.outcome(grown)

        try:
            return self.once(grow)
        except BillingExhausted as denial:
            denials.record(asked[-1], denial, now=self.now, request_id=self.request_id)
            raise


def _said_as(body: Body, credits: str, tokens: str) -> str:
    """Return which field of a body says how much work there was."""
    if "credits" in body:
        return credits
    if "usage" in body:
        return "response" if isinstance(body["usage"], Answered) else "usage"
    return "maxUnits" if "units" in body else tokens


def _growth(
    organization: Organization, reservation: Reservation, total: Decimal | None
) -> services.Work:
    """Return by what a hold would grow, as work of its own."""
    called = reservation.requested_model
    return services.Work(
        organization,
        credits=None if total is None else total - reservation.credits,
        model=names.resolve([called]).get(called) if called else None,
        actor=reservation.actor,
    )
