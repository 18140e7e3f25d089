"""The doors that may make a sandbox: minting keys, and beginning the sandbox anew."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from credits.services import wallet_as_of
from organizations import services as organizations
from organizations.doors import ApiView, Body, operation
from organizations.idempotency import Answer, Key
from organizations.ids import write
from organizations.models import Actor, Env, Organization
from organizations.pagination import PageQuery, page_of
from organizations.permissions import ForbiddenScope
from organizations.scopes import MANAGE, ORG_ADMIN
from organizations.serializers import ApiKeyShape, MintApiKey, NewApiKeyShape
from organizations.views import ApiKeyView
from usage.serializers.keys import SandboxResetShape
from usage.services import sandbox


class ApiKeys(ApiKeyView):
    @operation(MANAGE, ORG_ADMIN, query=PageQuery, answer=page_of(ApiKeyShape))
    def get(self, request: Request, org_id: UUID) -> Response:
        """The keys of the organization or of its child, test keys too, newest first, without their secrets."""
        return self.page(organizations.keys_of(self.organization(org_id)), ApiKeyShape)

    @operation(MANAGE, ORG_ADMIN, body=MintApiKey, answer=NewApiKeyShape, status=201)
    def post(self, request: Request, org_id: UUID) -> HttpResponse:
        """A new key, with scopes of yours; with `actorId` or `actorExternalId` a personal one. It ends no later than yours. Its secret is said once.

        A test key (`env: "test"`) is one of the sandbox, an organization of its own that is made with the first: so its actor is one
        of the sandbox. A test key makes test keys only.
        """
        organization = self.organization(org_id)
        delegable = self.principal.scopes - {ORG_ADMIN}

        def may_give(body: Body) -> None:
            organizations.require_delegable(body["scopes"], delegable)
            organizations.require_end_under(self.principal.key, body.get("expires_at"))
            if organization.is_sandbox and body.get("env") == Env.LIVE:
                raise ForbiddenScope("a test key makes test keys only: env is test")

        def mint(body: Body) -> Answer:
            self.require_future(body.get("expires_at"))
            owner = organization
            if body.pop("env", Env.LIVE) == Env.TEST:
                owner = sandbox.sandbox_for(
                    organization=organization, performed_by=self.performed_by, now=self.now
                )
            actor = self._actor_of(owner, body)
            key, text = organizations.mint_key(
                organization=owner,
                now=self.now,
                tier=self.principal.key.rate_limit_tier,
                minter=self.principal.key,
                delegable=delegable,
                actor=actor,
                **body,
            )
            return self.shape_once(key, text, status=201)

        return self.once(mint, allowed=may_give)

    def _actor_of(self, owner: Organization, body: Body) -> Actor | None:
        """Take out of a body whose key it asks for.

        :raises Http404: if the owner of the key has no such actor
        """
        names = {"actor_id": "id", "actor_external_id": "external_id"}
        named = {names[name]: body.pop(name) for name in names if name in body}
        return get_object_or_404(owner.actors, **named) if named else None


class SandboxReset(ApiView):
    @operation(MANAGE, ORG_ADMIN, answer=SandboxResetShape)
    def post(self, request: Request) -> HttpResponse:
        """Begin your sandbox anew, with a million test credits on the terms of today. Test keys go on in the new one; all else of the old is archived."""

        def reset(body: Body) -> Answer:
            done = sandbox.reset_sandbox(
                organization=self.acting, performed_by=self.performed_by, now=self.now
            )
            reading = wallet_as_of(done.sandbox, now=self.now)
            return Answer(200, SandboxResetShape({**done._asdict(), "reading": reading}).data)

        return self.once(reset)

    def _key(self) -> Key | None:
        """Return a key that outlives the sandbox it resets: a test key that asks again asks from another organization."""
        key = super()._key()
        asking = self.principal.key
        live = asking.organization.sandbox_of
        if key is None or live is None:
            return key
        inputs = (self.request.method, self.request.path, self.acting.sandbox_of_id)
        owner = write("key", asking.origin_id or asking.id)
        return Key.of(live, key.value, *inputs, owner=owner)
