"""The base of every view of the API: what it asks and finds out before a door does its own work, and how the door answers."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from organizations import idempotency, ids, pagination, services
from organizations.authentication import PRINCIPAL, Principal
from organizations.claiming import ClaimingView
from organizations.doors.declaring import KEY, Operation
from organizations.gates import gates
from organizations.idempotency import Answer, Denied, IdempotencyRequired
from organizations.models import Organization
from organizations.permissions import ACTING, ACTING_IN_HEAD, ForbiddenScope, require
from organizations.scopes import ORG_ADMIN
from organizations.strict import StrictQuery, StrictSerializer

Body = dict[str, Any]
Row = TypeVar("Row", bound=Model)
AtOnce = Answer | idempotency.Earlier | None

REPLAYED = "Idempotency-Replayed"
PRESENT_STATUS = "X-Present-Status"
_KEY = "HTTP_IDEMPOTENCY_KEY"


class JsonOnly(DefaultContentNegotiation):
    """Answers are JSON whatever the Accept header hopes for; bodies must say that they are."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        # What a body nearly always says that it is needs no comparing.
        is_plain = request.content_type == parsers[0].media_type
        return parsers[0] if is_plain else super().select_parser(request, parsers)

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        renderer: BaseRenderer = renderers[0]
        return renderer, renderer.media_type


class ApiView(ClaimingView):
    """The base of every view of the API. `organizations.doors` says how to write one."""

    content_negotiation_class = JsonOnly
    format_kwarg = None
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]

    envelope: ClassVar[str] = "layers"
    """The contract whose error shape this path speaks: `layers`, `omni` or `i5`."""
    max_body_bytes: ClassVar[int] = 64 * 1024

    query: dict[str, Any]
    """The validated query."""

    @property
    def performed_by(self) -> str:
        """Who does what is done here, as ledgers and histories name it: the key."""
        return self.principal.key.public_id

    @property
    def request_id(self) -> str:
        """What the answer and the log name the request by."""
        return str(self.request._request.META.get("REQUEST_ID", ""))

    @property
    def to_child(self) -> bool:
        """Whether a key of a child asks, who may not see what its parent set, of itself or for it."""
        return self.principal.key.organization.parent_id is not None

    @property
    def acting(self) -> Organization:
        """The organization that the request works on: the key's own, or the child it acts in."""
        return self.principal.organization

    @classmethod
    @cache
    def operation_for(cls, method: str | None) -> Operation | None:
        """Return what was declared for an HTTP method, or None: then it is closed."""
        name = "get" if method == "HEAD" else (method or "").lower()
        return getattr(getattr(cls, name, None), "operation", None)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        head = request._request.META
        negotiated = self.perform_content_negotiation(request)
        request.accepted_renderer, request.accepted_media_type = negotiated
        declared = self.operation_for(request.method)
        reads_first = declared is not None and declared.reads_first
        self.principal = self.identify(request, reads_first=reads_first)
        if declared is None or not declared.while_suspended:
            services.require_active(self.principal.key.organization)
        if request.method not in self.allowed_methods:
            raise MethodNotAllowed(request.method or "")
        self.check_permissions(request)
        named = head.get(ACTING_IN_HEAD)
        if named is not None:
            self.principal = head[PRINCIPAL] = request.auth = self._act(named)
        operation = self._operation
        # Without such a header that is the key's own, which was asked about just now.
        if operation.spends and (named is not None or operation.while_suspended):
            services.require_active(self.acting)
        # Making nothing of nothing takes a while, too.
        asked = head.get("QUERY_STRING") or operation.query is not StrictQuery
        self.query = operation.query.of(request.query_params) if asked else {}

    @classmethod
    @cache
    def _methods(cls) -> list[str]:
        return [name.upper() for name in cls.http_method_names if hasattr(cls, name)]

    @property
    def allowed_methods(self) -> list[str]:
        return self._methods()

    def child(self, org_id: UUID) -> Organization:
        """Return a direct child of the acting organization.

        :raises Http404: if it is anything else; a stranger's looks like one that never was
        """
        return get_object_or_404(self.acting.children, id=org_id)

    def organization(self, org_id: UUID) -> Organization:
        """Return the acting organization or, with `org:admin`, a direct child of it.

        :raises ForbiddenScope: if another one is named without `org:admin`, existing or not
        :raises Http404: if it is neither; its own sandbox, or what that is the sandbox of, is never found from the other side
        """
        if org_id == self.acting.id:
            return self.acting
        if not self._is_other_side(org_id):
            require(self.principal, ORG_ADMIN)
        return self.child(org_id)

    def _is_other_side(self, org_id: UUID) -> bool:
        """Whether an id is that of the acting organization's sandbox, or of whose sandbox it is."""
        own = self.acting
        return own.sandbox_of_id == org_id or own.sandboxes.filter(id=org_id).exists()

    def body(self) -> Body:
        """Return the validated body.

        :raises ValidationError: if it is missing, or not what the operation declares
        """
        declared = self._operation.body
        is_needed = declared is not StrictSerializer and declared.body_required
        if self.sent.data() is None and is_needed:
            raise serializers.ValidationError("A JSON object is required in the body.")
        return declared.read(self._data())

    def once(
        self,
        command: Callable[[Body], Answer | Denied],
        *,
        allowed: Callable[[Body], None] | None = None,
        at_once: Callable[[Body, idempotency.Key | None], AtOnce] | None = None,
    ) -> HttpResponse:
        """Run a command with the validated body, once for the request's Idempotency-Key. An answer that is given again says so in a header.

        An answer is given again only to who may ask for it, so what the caller may do is never left to the command, which a repeat does
        not run: what depends on the path is asked before `once`, what depends on the body is `allowed`.

        :param allowed: raises, if the key may not ask for what the body says
        :param at_once: tries to do what the command does, and to mind the key, in one statement; None says that it takes the command
        :raises IdempotencyRequired: if the operation asks for a key and the request has none
        :raises IdempotencyConflict: if the key was used with another request
        :raises WalletBusy: if as many wait for the organization's wallet as may
        """
        self.require_looked_up()
        key = self._key()
        body = self._body_or_error()  # read off the network before a transaction is open
        if allowed is not None and not isinstance(body, serializers.ValidationError):
            allowed(dict(body))

        def run() -> Answer | Denied:
            if isinstance(body, serializers.ValidationError):
                raise body
            return command(dict(body))

        def run_at_once() -> AtOnce:
            if at_once is None or isinstance(body, Exception):
                return None
            return at_once(dict(body), key)

        with gates.through(self.acting.id):
            stored = idempotency.run(run, key=key, now=self.now, at_once=run_at_once)
        said = self.rendered(stored) if stored.format else stored.body
        answer = self.json(said, status=stored.status)
        if stored.replayed:
            answer[REPLAYED] = "true"
            if status := self.present_status(stored):
                answer[PRESENT_STATUS] = status
        return answer

    def json(self, said: bytes, *, status: int = 200) -> HttpResponse:
        """Return an answer that is written already: on the path of a request that costs less than a `Response`."""
        return HttpResponse(said, status=status, content_type="application/json")

    def rendered(self, stored: idempotency.Stored) -> bytes:
        """Return the bytes of an answer that is given again, of which only what they say was kept, in a numbered format."""
        raise NotImplementedError(f"format {stored.format}")

    def present_status(self, stored: idempotency.Stored) -> str | None:
        """Return the status by now of what an answer speaks of that is given again: its bytes are those of the first time."""
        return None

    def page(
        self,
        rows: QuerySet[Row],
        shape: type[serializers.BaseSerializer],
        context: Mapping[str, Any] | None = None,
        **how: Any,
    ) -> Response:
        """Answer one page of `rows`, newest first, as the query's `limit` and `cursor` say, and what a `Listing` says of their order.

        :param context: what the shape has to know besides the moment
        """
        query = self.query
        items, cursor = pagination.page(
            rows,
            limit=query["limit"],
            cursor=query.get("cursor"),
            list_name=type(self).__name__,
            **how,
        )
        data = shape(items, many=True, context={"now": self.now, **(context or {})}).data
        return Response({"items": data, "nextCursor": cursor})

    @property
    def _operation(self) -> Operation:
        operation = self.operation_for(self.request.method)
        if operation is None:
            raise AssertionError("DeclaredScope lets nobody come here")
        return operation

    def _act(self, named: str) -> Principal:
        """Return the principal, acting in the organization that the header names."""
        principal = self.principal
        try:
            acting = self.organization(self._on_own_side(ids.read("org", named)))
        except ids.MalformedId as error:
            raise serializers.ValidationError({ACTING: [str(error)]}) from error
        if principal.key.actor_id is not None and acting != principal.organization:
            raise ForbiddenScope("a personal key acts where its actor is")
        return Principal(principal.key, acting)

    def _body_or_error(self) -> Body | serializers.ValidationError:
        """Return the validated body, or what is wrong with it: that is told after the idempotency key is looked for."""
        try:
            return self.body()
        except serializers.ValidationError as error:
            return error

    def _on_own_side(self, org_id: UUID) -> UUID:
        """Return what a header means that may be the same for live and test keys: of a live organization, to a test key, its sandbox."""
        if not self.principal.organization.is_sandbox:
            return org_id
        sandboxes = Organization.objects.filter(sandbox_of_id=org_id)
        in_use = sandboxes.exclude(status=Organization.Status.ARCHIVED)
        return in_use.values_list("id", flat=True).first() or org_id

    def _data(self) -> Any:
        data = self.sent.data()
        return {} if data is None else data

    def _key(self) -> idempotency.Key | None:
        asked = self._operation.idempotency
        value = None if asked == "ignored" else self.request._request.META.get(_KEY)
        if value is None:
            if asked == "required":
                raise IdempotencyRequired(f"{KEY} is required here")
            return None
        inputs = (self.request.method, self.request.path, self.acting.id, self._data())
        key = self.principal.key
        return idempotency.Key.of(key.organization, value, *inputs, owner=key.idempotency_owner)
