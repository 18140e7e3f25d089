"""What happens between the scope of a test key and the organization that it acts in."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from organizations import clock, ids
from organizations.authentication import Principal
from organizations.models import Organization
from organizations.permissions import ACTING_IN_HEAD
from organizations.scopes import ORG_ADMIN
from usage.services.sandbox import sandbox_for


class SandboxToActIn(BasePermission):
    """Whoever acts in a child with a test key finds its sandbox: it is made if no test key was the child's so far.

    It refuses nobody. Whether the key may act there is decided after this, as it is for live ones.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        named = request._request.META.get(ACTING_IN_HEAD)
        if named is not None and isinstance(request.auth, Principal):
            child = _child(request.auth, named)
            if child is not None:
                key = request.auth.key
                sandbox_for(organization=child, performed_by=key.public_id, now=clock.now())
        return True


def _child(principal: Principal, named: str) -> Organization | None:
    """Return the live child that a header names, if it is the test key's to act in."""
    live = principal.organization.sandbox_of
    if live is None or ORG_ADMIN not in principal.scopes:
        return None
    try:
        open_children = live.children.exclude(status=Organization.Status.ARCHIVED)
        return open_children.filter(id=ids.read("org", named)).first()
    except ids.MalformedId:
        return None
