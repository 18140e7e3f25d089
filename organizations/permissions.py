"""Deny by default: a view or a method that does not say which scope it needs is closed."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from organizations.authentication import Principal

ACTING = "X-Layers-Organization"
"""The header that names in which organization a key acts, if not in its own."""
ACTING_IN_HEAD = "HTTP_X_LAYERS_ORGANIZATION"
"""Its name in the head of a request as WSGI says it, where looking for it costs nothing."""

ANY_KEY = "any key"
"""Stands where a scope would, on doors that every valid key may open."""


class ForbiddenScope(Exception):
    """The key is valid, but lacks the scope."""


class DeclaredScope(BasePermission):
    """The key has one of the scopes that the method's `@operation` names."""

    def has_permission(self, request: Request, view: Any) -> bool:
        operation = view.operation_for(request.method) if hasattr(view, "operation_for") else None
        if operation is None or not isinstance(request.auth, Principal):
            raise ForbiddenScope("no scope opens this")
        if request.auth.key.actor_id is not None and not operation.personal:
            raise ForbiddenScope("a personal key opens only what is its actor's own")
        require(request.auth, *operation.scopes)
        return True


def require(principal: Principal, *any_of: str) -> None:
    """Do nothing if the key has one of these scopes.

    :raises ForbiddenScope: if it has none of them
    """
    if ANY_KEY not in any_of and principal.scopes.isdisjoint(any_of):
        raise ForbiddenScope(f"the key lacks the scope {' or '.join(any_of)}")
