"""The doors of wallets, and of the organizations that own them."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ValidationError

from credits import serializers as shapes
from credits import services
from credits.models import Grant, PendingGrant
from organizations.doors import ApiView, Body, operation
from organizations.idempotency import Answer
from organizations.models import Organization
from organizations.pagination import page_of
from organizations.permissions import ANY_KEY
from organizations.scopes import CREDITS_READ, MANAGE, ORG_ADMIN

GRANTS = page_of(shapes.AnyGrantShape)


class WhoAmI(ApiView):
    @operation(ANY_KEY, answer=shapes.WhoAmIShape)
    def get(self, request: Request) -> Response:
        """The key, and the organization it acts for."""
        reading = services.wallet_as_of(self.acting, now=self.now)
        return Response(shapes.WhoAmIShape(self.principal, context={"reading": reading}).data)


class WalletView(ApiView):
    """What the views of wallets share: saying one, as it is or was."""

    def credits(self, organization: Organization) -> Response:
        reading = self._reading(organization)
        return Response(shapes.CreditsShape(reading).data)

    def _reading(self, organization: Organization) -> services.Reading:
        then = self.query.get("as_of")
        if then is None:
            return services.wallet_as_of(organization, now=self.now, looks_ahead=True)
        try:
            return services.wallet_then(organization, then=then, now=self.now)
        except services.NotKnownThen as error:
            raise ValidationError({"asOf": [str(error)]}) from error

    def grants(self, organization: Organization) -> Response:
        """Answer the lots that came in, or those that are to come."""
        names = ("is_live", "source", "status", "category")
        asked = {name: self.query[name] for name in names if name in self.query}
        listing = services.grants_of(organization, now=self.now, **asked)
        with services.as_due(organization, now=self.now):
            return self.page(shape=shapes.AnyGrantShape, **listing._asdict())


class Credits(WalletView):
    @operation(CREDITS_READ, query=shapes.CreditsQuery, answer=shapes.CreditsShape)
    def get(self, request: Request) -> Response:
        """Your wallet, now or as it was at a moment. Decide on `available`: `balance` counts credits that running work needs."""
        return self.credits(self.acting)


class ChildCredits(WalletView):
    @operation(ORG_ADMIN, query=shapes.CreditsQuery, answer=shapes.CreditsShape)
    def get(self, request: Request, org_id: UUID) -> Response:
        """The wallet of a child, now or as it was at a moment."""
        return self.credits(self.child(org_id))


class Grants(WalletView):
    @operation(CREDITS_READ, query=shapes.GrantQuery, answer=GRANTS)
    def get(self, request: Request) -> Response:
        """The lots that your credits came in, newest first, and what remains of each."""
        return self.grants(self.acting)


class ChildGrants(WalletView):
    @operation(ORG_ADMIN, query=shapes.GrantQuery, answer=GRANTS)
    def get(self, request: Request, org_id: UUID) -> Response:
        """The lots that the credits of a child came in, newest first."""
        return self.grants(self.child(org_id))


class GrantVoid(ApiView):
    @operation(ORG_ADMIN, body=shapes.Void, answer=shapes.VoidShape, idempotency="required")
    def post(self, request: Request, org_id: UUID, grn_id: UUID) -> HttpResponse:
        """Take back what remains of a grant of a child, also what its holds need; cancel one that is pending. What you allocated returns to you."""
        child = self.child(org_id)
        grant = self.grant(child, grn_id)

        def void(body: Body) -> Answer:
            entry = services.void_any(
                grant=grant, performed_by=self.performed_by, now=self.now, **body
            )
            done = {
                "grant": self.grant(child, grn_id),
                "entry": entry,
                "voided": -entry.amount if entry else Decimal(0),
                "reading": services.wallet_as_of(child, now=self.now),
            }
            return Answer(200, shapes.VoidShape(done, context={"now": self.now}).data)

        return self.once(void)

    def grant(self, child: Organization, grn_id: UUID) -> Grant | PendingGrant:
        """Return a grant of a child, pending or not.

        :raises Http404: if it has no such grant
        """
        try:
            return services.find_grant(child, grn_id)
        except Grant.DoesNotExist as error:
            raise Http404 from error


class Allocation(ApiView):
    @operation(
        ORG_ADMIN,
        body=shapes.Allocate,
        answer=shapes.AllocationShape,
        denial=shapes.ShortageShape,
        idempotency="required",
    )
    def post(self, request: Request, org_id: UUID) -> HttpResponse:
        """Move prepaid credits of yours to a child. Sent again with its key, or ever again with its reference, it moves nothing more."""
        child = self.child(org_id)

        def allocate(body: Body) -> Answer:
            performed_by = self.principal.key.public_id
            sent, received = services.allocate(
                child=child, performed_by=performed_by, now=self.now, **body
            )
            reading = services.wallet_as_of(child, now=self.now)
            done = {
                "sent": sent,
                "received": received,
                "reading": reading,
                "replayed": sent.replayed,
            }
            return Answer(200, shapes.AllocationShape(done).data, replay={"replayed": True})

        return self.once(allocate)


class Reclamation(ApiView):
    @operation(
        ORG_ADMIN,
        body=shapes.Reclaim,
        answer=shapes.ReclaimShape,
        denial=shapes.ShortageShape,
        idempotency="required",
    )
    def post(self, request: Request, org_id: UUID) -> HttpResponse:
        """Take prepaid credits back from a child: so much, or all that no hold of it needs. They keep their expiry. The allowance stays."""
        child = self.child(org_id)

        def reclaim(body: Body) -> Answer:
            sent, received = services.reclaim_from_child(
                child=child, performed_by=self.performed_by, now=self.now, **body
            )
            reading = services.wallet_as_of(child, now=self.now)
            done = {"sent": sent, "received": received, "reading": reading}
            return Answer(200, shapes.ReclaimShape(done).data, replay={"replayed": True})

        return self.once(reclaim)


class Recharges(ApiView):
    @operation(
        MANAGE,
        body=shapes.Recharge,
        answer=shapes.RechargeShape,
        idempotency="required",
        spends=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Buy credits that do not expire, up to the organization's recharge limit per billing period; once for a payment's reference."""

        def recharge(body: Body) -> Answer:
            performed_by = self.principal.key.public_id
            entry = services.recharge(
                organization=self.acting, performed_by=performed_by, now=self.now, **body
            )
            reading = services.wallet_as_of(self.acting, now=self.now)
            done = {"entry": entry, "reading": reading}
            return Answer(200, shapes.RechargeShape(done).data)

        return self.once(recharge)


class ChildCreditConfig(ApiView):
    def config(self, child: Organization) -> dict[str, Any]:
        reading = services.wallet_as_of(child, now=self.now)
        return dict(shapes.CreditConfigShape(reading).data)

    @operation(ORG_ADMIN, answer=shapes.CreditConfigShape)
    def get(self, request: Request, org_id: UUID) -> Response:
        """The cap and the refill rule of a child. No key of the child sees them."""
        return Response(self.config(self.child(org_id)))

    @operation(ORG_ADMIN, body=shapes.UpdateCreditConfig, answer=shapes.CreditConfigShape)
    def patch(self, request: Request, org_id: UUID) -> HttpResponse:
        """Change them: a number sets, null clears, what is not sent stays."""
        child = self.child(org_id)

        def update(body: Body) -> Answer:
            performed_by = self.principal.key.public_id
            services.update_terms(
                organization=child, changes=body, performed_by=performed_by, now=self.now
            )
            return Answer(200, self.config(child))

        return self.once(update)


class Organizations(ApiView):
    @operation(
        ORG_ADMIN, query=shapes.OrganizationQuery, answer=page_of(shapes.ListedOrganizationShape)
    )
    def get(self, request: Request) -> Response:
        """Your children, newest first; by your own id of one with `externalId`."""
        children = services.with_wallets(self.acting.children.all(), now=self.now)
        wanted = {
            name: self.query[name] for name in ("status", "external_id") if name in self.query
        }
        children = children.filter(**wanted)
        return self.page(children, shapes.ListedOrganizationShape)

    @operation(
        ORG_ADMIN,
        body=shapes.CreateOrganization,
        answer=shapes.OrganizationShape,
        denial=shapes.ShortageShape,
        status=201,
    )
    def post(self, request: Request) -> HttpResponse:
        """A new child, active, with an empty wallet, or with what you give it of your prepaid credits."""

        def create(body: Body) -> Answer:
            child = services.open_child(
                parent=self.acting, performed_by=self.performed_by, now=self.now, **body
            )
            return Answer(201, shapes.OrganizationShape(child.organization).data)

        return self.once(create)


class OrganizationDetail(ApiView):
    @operation(ORG_ADMIN, answer=shapes.OrganizationSummaryShape)
    def get(self, request: Request, org_id: UUID) -> Response:
        """A child, with its wallet and its credit config in short."""
        child = self.child(org_id)
        reading = services.wallet_as_of(child, now=self.now)
        shape = shapes.OrganizationSummaryShape(child, context={"reading": reading})
        return Response(shape.data)

    @operation(ORG_ADMIN, body=shapes.UpdateOrganization, answer=shapes.OrganizationShape)
    def patch(self, request: Request, org_id: UUID) -> HttpResponse:
        """Change a child. Metadata merges key by key: `""` removes a key, null removes all."""
        child = self.child(org_id)

        def update(body: Body) -> Answer:
            changed = services.update_organization(
                organization=child, changes=body, performed_by=self.performed_by, now=self.now
            )
            return Answer(200, shapes.OrganizationShape(changed).data)

        return self.once(update)

    @operation(ORG_ADMIN, answer=shapes.ArchivalShape)
    def delete(self, request: Request, org_id: UUID) -> HttpResponse:
        """Archive a child, for ever: its keys are revoked, and what no hold needs comes back to you."""
        child = self.child(org_id)

        def archive(body: Body) -> Answer:
            done = services.archive(
                organization=child, performed_by=self.performed_by, now=self.now
            )
            return Answer(200, shapes.ArchivalShape(done).data)

        return self.once(archive)


class OrganizationSuspension(ApiView):
    @operation(ORG_ADMIN, answer=shapes.OrganizationShape)
    def post(self, request: Request, org_id: UUID) -> HttpResponse:
        """Stop a child from spending, and its keys from opening anything, until it is resumed."""
        child = self.child(org_id)

        def suspend(body: Body) -> Answer:
            suspended = services.suspend(
                organization=child, performed_by=self.performed_by, now=self.now
            )
            return Answer(200, shapes.OrganizationShape(suspended).data)

        return self.once(suspend)


class OrganizationResumption(ApiView):
    @operation(ORG_ADMIN, answer=shapes.OrganizationShape)
    def post(self, request: Request, org_id: UUID) -> HttpResponse:
        """Let a suspended child spend again."""
        child = self.child(org_id)

        def resume(body: Body) -> Answer:
            resumed = services.resume(
                organization=child, performed_by=self.performed_by, now=self.now
            )
            return Answer(200, shapes.OrganizationShape(resumed).data)

        return self.once(resume)
