"""The doors of organizations: their API keys. Minting one is in `usage`: a test key may need a sandbox first."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.serializers import ValidationError

from organizations import services
from organizations.doors import ApiView, Body, operation
from organizations.idempotency import Answer
from organizations.models import ApiKey
from organizations.scopes import MANAGE, ORG_ADMIN
from organizations.serializers import ApiKeyShape, NewApiKeyShape, RevokeQuery, RotateApiKey


class ApiKeyView(ApiView):
    """What the views of keys share: finding one, and saying one."""

    def key(self, org_id: UUID, key_id: UUID) -> ApiKey:
        """Return a key of the acting organization or of its child, or a test key of the sandbox of either.

        :raises Http404: if there is none
        """
        return get_object_or_404(services.keys_of(self.organization(org_id)), id=key_id)

    def require_future(self, expires_at: datetime | None) -> None:
        """Refuse a key that would open nothing.

        :raises ValidationError: if that moment has passed
        """
        if expires_at is not None and expires_at <= self.now:
            raise ValidationError({"expiresAt": ["This moment has passed."]})

    def shape(self, key: ApiKey) -> dict[str, Any]:
        return dict(ApiKeyShape(key, context={"now": self.now}).data)

    def shape_once(self, key: ApiKey, text: str, *, status: int) -> Answer:
        """Return the answer that says the secret now, and `null` ever after."""
        return Answer(status, self.shape(key) | {"secret": text}, replay={"secret": None})


class ApiKeyDetail(ApiKeyView):
    @operation(MANAGE, ORG_ADMIN, query=RevokeQuery, answer=ApiKeyShape)
    def delete(self, request: Request, org_id: UUID, key_id: UUID) -> HttpResponse:
        """Revoke a key, whatever it opens: it is refused from the next request on. Repeating it changes nothing."""
        key = self.key(org_id, key_id)

        def revoke(body: Body) -> Answer:
            revoked = services.revoke_key(
                key=key,
                and_minted=self.query["and_minted"] == "true",
                performed_by=self.performed_by,
                now=self.now,
            )
            return Answer(200, self.shape(revoked))

        return self.once(revoke)


class ApiKeyRotation(ApiKeyView):
    @operation(MANAGE, ORG_ADMIN, body=RotateApiKey, answer=NewApiKeyShape)
    def post(self, request: Request, org_id: UUID, key_id: UUID) -> HttpResponse:
        """A key that takes over. The old secret works for 24 hours more; if it leaked, no more. The new key ends no later than yours."""
        key = self.key(org_id, key_id)
        services.require_reach(key, self.principal.scopes)

        def rotate(body: Body) -> Answer:
            new, text = services.rotate_key(
                key=key,
                reach=self.principal.scopes,
                rotator=self.principal.key,
                now=self.now,
                **body,
            )
            return self.shape_once(new, text, status=200)

        return self.once(rotate)
