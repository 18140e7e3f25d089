"""How a view answers: by its key as it is kept, if a statement finds on the way that it still is so; else by looking the key up, which
comes before everything."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, cast

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from organizations import authentication, clock, statements
from organizations.authentication import (
    BUCKETS,
    COUNT,
    PRINCIPAL,
    STAFF_IS_NOT_HERE,
    Principal,
    no_buckets,
)
from organizations.claims import Claim, KeyDiffers

_NO_ANSWER = (InterfaceError, OperationalError)
_NOTHING = "SELECT 1"
"""What is read where it is only asked for the key."""


class Sent:
    """The body of a request, which can be read once: whoever asks again is told the same."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._is_known = False
        self._data: Any = None
        self._error: Exception | None = None

    def data(self) -> Any:
        """Return what was sent; None, if nothing was.

        :raises Exception: as parsers do
        """
        if self._error is not None:
            raise self._error
        if not self._is_known:
            try:
                self._data = self._read()
            except Exception as error:
                self._error = error
                raise
            self._is_known = True
        return self._data

    def _read(self) -> Any:
        """Read the body by the parser of its type: what `request.data` does, without what that does for forms and files.

        :raises UnsupportedMediaType: if there is no such parser
        """
        request: Any = self._request
        stream = request.stream
        if stream is None:
            return None
        parser = request.negotiator.select_parser(request, request.parsers)
        if parser is None:
            raise UnsupportedMediaType(request.content_type)
        return parser.parse(stream, request.content_type, request.parser_context)


class ClaimingView(APIView):
    """A view that may begin with a key that is only claimed, and begins again if that comes to nothing."""

    now: datetime
    """The clock, read once per request."""
    principal: Principal
    """Who asks."""
    sent: Sent
    _claim: Claim | None = None
    """The key, if it was not looked up."""
    _may_claim = True
    _throttles: Sequence[BaseThrottle] = ()

    # What a view is made of keeps nothing of a request but its throttle, so one of each serves all.

    @classmethod
    @cache
    def _parsers(cls) -> list[BaseParser]:
        return [kind() for kind in cls.parser_classes]

    @classmethod
    @cache
    def _authenticators(cls) -> list[BaseAuthentication]:
        return [kind() for kind in cls.authentication_classes]

    @classmethod
    @cache
    def _permissions(cls) -> list[Any]:
        return [kind() for kind in cls.permission_classes]

    def get_parsers(self) -> list[BaseParser]:
        return self._parsers()

    def get_authenticators(self) -> list[BaseAuthentication]:
        return self._authenticators()

    def get_permissions(self) -> list[Any]:
        return self._permissions()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.args, self.kwargs, self.headers = args, kwargs, self.default_response_headers
        self.request = self.initialize_request(request, *args, **kwargs)
        self.sent = Sent(self.request)
        before = dict(vars(self))
        response = self._answer()
        if response is None:
            self._begin_again(request, before)
            response = self._answer()
        assert response is not None
        return self.finalize_response(self.request, cast(Any, response), *args, **kwargs)

    def identify(self, request: Request, *, reads_first: bool) -> Principal:
        """Find out who asks, and refuse who asks too often.

        :param reads_first: whether that may wait for the first statement of the door, which it sends by `read`
        :raises KeyDiffers: if a key that was claimed is not what it was
        """
        head = request._request.META
        self._throttles = self.get_throttles()
        for throttle in self._throttles:
            throttle.announce(request, self)  # type: ignore[attr-defined]
        self._claim = self._claimed(head) if self._may_claim else None
        if self._claim is None:
            self.perform_authentication(request)
        else:
            claimed = Principal(self._claim.key, self._claim.key.organization)
            request.user, request.auth = cast(Any, (STAFF_IS_NOT_HERE, claimed))
        self.now = clock.now()
        head[PRINCIPAL] = request.auth
        if self._claim is None:
            self._count()
        elif not reads_first:
            self.read(_NOTHING)
        return cast(Principal, request.auth)

    def perform_authentication(self, request: Request) -> None:
        """Look up the key at once: the base class asks for it as for something that may never be needed."""
        for authenticator in request.authenticators or ():
            found = authenticator.authenticate(request)
            assert found is not None
            request.user, request.auth = cast(Any, found)

    def require_looked_up(self) -> None:
        """Begin again, if nobody asked yet whether the key still is what it was.

        :raises KeyDiffers: then
        """
        if self._is_only_claimed:
            raise KeyDiffers

    def read(self, sql: str, params: Sequence[Any] = ()) -> statements.Row | None:
        """Return the first row of a statement that only reads, or None. If the key was only claimed, the statement looks at it first.

        :raises KeyDiffers: if it is not what it was
        :raises Throttled: if the request is one too many
        """
        if self._claim is None or self._claim.is_open:
            return statements.fetch_one(sql, params)
        row = self._claim.read(sql, params)
        self.request._request.META[COUNT] = self._claim.counted
        self._count()
        return row

    @property
    def _is_only_claimed(self) -> bool:
        return self._claim is not None and not self._claim.is_open

    def _claimed(self, head: Mapping[str, Any]) -> Claim | None:
        """Return the key of a request as it is kept. One that comes again, with its body, was counted when its key was looked up; and whoever
        has to ask what time it is looks the key up, which tells it too."""
        if "RATE_LIMIT" in head or clock.is_due():
            return None
        header, buckets = head.get("HTTP_AUTHORIZATION", ""), head.get(BUCKETS) or no_buckets
        return authentication.claimed(header, now=clock.reckoned(), buckets=buckets)

    def _count(self) -> None:
        """Refuse a request that comes too soon, as `check_throttles` does, by the throttles that were made already."""
        request, throttles = self.request, self._throttles
        waits = [each.wait() for each in throttles if not each.allow_request(request, self)]
        if waits:
            self.throttled(request, max(wait or 0 for wait in waits))

    def _answer(self) -> HttpResponseBase | None:
        """Return the answer; None, if all that is known of the key is what was kept."""
        request = self.request
        try:
            self.initial(request, *self.args, **self.kwargs)
            handler = getattr(self, (request.method or "").lower(), self.http_method_not_allowed)
            response: HttpResponseBase = handler(request, *self.args, **self.kwargs)
        except BaseException as error:
            # Also that its body is not here yet: for that nobody waits whose key was not looked up. But a database that does not answer
            # would not answer the lookup either: that is told at once.
            if self._is_only_claimed and not isinstance(error, _NO_ANSWER):
                return None
            if not isinstance(error, Exception):
                raise
            return self.handle_exception(error)
        return None if self._is_only_claimed else response

    def _begin_again(self, request: HttpRequest, before: dict[str, Any]) -> None:
        """Forget all that was found out by a claim, but what was sent."""
        vars(self).clear()
        vars(self).update(before)
        self.request = self.initialize_request(request, *self.args, **self.kwargs)
        self._may_claim = False
        request.META.pop(PRINCIPAL, None)
