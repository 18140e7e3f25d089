"""Making many children at once: each by itself, in the order in which they are sent."""

import hashlib
import time
from collections.abc import Mapping
from typing import Any

import simplejson
from rest_framework.request import Request
from rest_framework.response import Response

from credits import services
from organizations import external_ids, idempotency, wire
from organizations.doors import ApiView, operation
from organizations.gates import gates
from organizations.idempotency import Answer, Key
from organizations.models import ApiKey, Organization
from organizations.scopes import ORG_ADMIN
from organizations.services import require_delegable, require_end_under
from usage.serializers import children as shapes
from usage.views.events import TWO_MEGABYTES

SECONDS = 25
"""How long one call begins new children. Who waits for the answer gives up after a minute, and then knows nothing."""


class Children(ApiView):
    max_body_bytes = TWO_MEGABYTES

    @operation(
        ORG_ADMIN,
        body=shapes.CreateChildren,
        answer=shapes.ChildrenShape,
        idempotency="required",
    )
    def post(self, request: Request) -> Response:
        """Up to 500 new children with what each begins with: balance, cap and refill rule, key. Each is made whole or not at all, whatever
        becomes of the others, and has a result in its place. Sent again with the same key, those that are there are `replayed`, their
        secrets null, and only the rest is made. With any other key, those whose `externalId` a child of the same name has already are
        `replayed` as they are now, and nothing more is done for them.
        """
        services.require_root(self.acting)
        key, sent = self._key(), self.body()["organizations"]
        assert key is not None  # required
        until = time.monotonic() + SECONDS
        results = [self._result(key, number, one, until) for number, one in enumerate(sent)]
        return Response({"results": results})

    def _result(self, key: Key, number: int, sent: Any, until: float) -> dict[str, Any]:
        """Return what became of one child; of what went wrong, as much as a call for it alone would say."""
        if time.monotonic() >= until:
            return {"status": "not_done"}
        try:
            return self._open(_key_of(key, self.acting, number, sent), sent)
        except Exception as error:  # noqa: BLE001 — told, each as it would be alone
            handle = self.get_exception_handler()
            told = handle(error, self.get_exception_handler_context()).data["error"]
            return {"status": "failed", "error": {n: told[n] for n in told if n != "requestId"}}

    def _open(self, key: Key, sent: Any) -> dict[str, Any]:
        body = shapes.NewChild.read(sent)
        delegable = self.principal.scopes - {ORG_ADMIN}
        if minted := body.pop("key", None):
            require_delegable(minted["scopes"], delegable)
            require_end_under(self.principal.key, minted.get("expires_at"))
            body["key"] = services.NewKey(minter=self.principal.key, delegable=delegable, **minted)

        def opened() -> Answer:
            child = services.open_child(
                parent=self.acting, performed_by=self.performed_by, now=self.now, **body
            )
            parts = shapes.said(child, now=self.now)
            unsaid = {"apiKey": parts["apiKey"] | {"secret": None}} if child.key else {}
            return Answer(201, parts, replay=unsaid)

        try:
            with gates.through(self.acting.id):
                stored = idempotency.run(opened, key=key, now=self.now)
        except external_ids.ExternalIdTaken:
            return self._found(body)
        status = "replayed" if stored.replayed else "created"
        return {"status": status, **simplejson.loads(stored.body, use_decimal=True)}

    def _found(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the child that has the external id of one that is sent: with the same name it is the same, made long before.

        :raises ExternalIdTaken: if it has another name
        """
        parent = self.acting
        found = external_ids.holder(body["external_id"], parent=parent, env=parent.env)
        if found is None or found.name != body["name"]:
            raise external_ids.ExternalIdTaken
        key = _newest_key(found, body["key"].name) if "key" in body else None
        parts = shapes.said(services.Child(found, key=key), now=self.now)
        return {"status": "replayed", **parts}


def _newest_key(child: Organization, name: str) -> ApiKey | None:
    """Return the newest key of a child with this name that is not revoked."""
    return child.api_keys.filter(name=name, revoked_at=None).order_by("-id").first()


def _key_of(key: Key, acting: Organization, number: int, sent: Any) -> Key:
    """Return the key of one child: the call's and its place. Its comma is in no key that a caller may send."""
    name = hashlib.sha256(key.value.encode()).hexdigest()
    inputs = ("organizations/bulk", acting.id, sent)
    fingerprint = hashlib.sha256(wire.dumps(inputs, sort_keys=True)).digest()
    return key._replace(value=f"{name},{number}", fingerprint=fingerprint)
