"""Whether answers are what the document of the API says: every one below /api that any test gets, and every body that was accepted.

The document is made once for each process, a validator once for each shape. Here objects have no field that the document does not name; to
clients it leaves that open, so that an answer can grow.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote

import jsonschema_rs
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client
from django.test.client import RequestFactory
from django.urls import Resolver404, resolve
from drf_spectacular.renderers import OpenApiJsonRenderer

from config.openapi import document

OPEN = ("/api/schema/", "/api/docs/")
"""What is not of the API: they speak of it."""
TELLING_HEADERS = ("idempotency-replayed", "x-present-status", "retry-after", "www-authenticate")
"""Headers that mean something for who reads them, so the document has to name them. The rest comes with every answer."""

GOOD = {"source": "any", "id": "1", "credits": 1}
"""An entry of a batch, where none is left to compare."""

MARKER = "undocumented: gets answers that the document does not have, on purpose; the test says why"


_making = Lock()


class Undocumented(AssertionError):
    """An answer, or a body that was accepted, is not what the document says."""


@dataclass(frozen=True)
class Exchange:
    """A request and what it was answered with."""

    method: str
    address: str
    sent: bytes | str | None
    """None where nobody knows any more."""
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_of_the_api(self) -> bool:
        return self.address.startswith("/api/") and self.address not in OPEN

    def __str__(self) -> str:
        return f"{self.method} {self.address}"


@contextmanager
def watching() -> Iterator[None]:
    """Check whatever a test client is answered, at once, and whatever a server in a thread of the test answers, at the end."""
    send, serve = RequestFactory.generic, WSGIHandler.get_response
    found: list[Undocumented] = []

    def generic(client: Any, method: str, path: str, data: Any = "", *args: Any, **how: Any) -> Any:
        answer: Any = send(client, method, path, data, *args, **how)
        if isinstance(client, Client) and path.startswith("/api/"):
            address = path.partition("?")[0]
            said = answer.status_code, answer.headers, answer.content
            check(Exchange(method, address, data, *said))
        return answer

    def get_response(handler: Any, request: Any) -> Any:
        answer: Any = serve(handler, request)
        try:
            if request.path.startswith("/api/"):
                said = answer.status_code, answer.headers, answer.content
                check(Exchange(request.method, request.path, None, *said))
        except Undocumented as error:
            found.append(error)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RequestFactory, "generic", generic)
        patch.setattr(WSGIHandler, "get_response", get_response)
        yield
    if found:
        raise found[0]


def check(what: Exchange) -> None:
    """Compare a request and its answer with the document.

    :raises Undocumented: if they differ
    """
    if not what.is_of_the_api:
        return
    operation = _operation(what.method, what.address)
    if operation is None:
        _check_refusal(what)
        return
    said = operation["responses"].get(str(what.status))
    if said is None:
        raise Undocumented(f"{what} may not answer {what.status}: {what.content!r:.300}")
    _compare_headers(what, said)
    if what.method != "HEAD":
        _fit(what, f"its answer {what.status}", operation, "responses", str(what.status))
    body = operation.get("requestBody")
    knows = what.sent is not None
    if knows and what.status < 300 and body and (what.sent or body.get("required")):
        _fit(what, "the body that it accepted", operation, "requestBody")


def _check_refusal(what: Exchange) -> None:
    """Compare the refusal of what is not there with how Layers says it."""
    if what.status < 400:
        raise Undocumented(f"{what} is answered {what.status}, and the document does not have it")
    _validate(what, f"its answer {what.status}", "components/schemas/Error", what.content)


def _operation(method: str, address: str) -> dict[str, Any] | None:
    """Return what the document says of a method of an address, with its place there."""
    name = "get" if method == "HEAD" else method.lower()
    try:
        route = resolve(unquote(address)).route
    except Resolver404:
        return None
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"/{route}")
    found: dict[str, Any] | None = _document()["paths"].get(path, {}).get(name)
    return found and {**found, "at": ("paths", path, name)}


def _document() -> dict[str, Any]:
    """Return the document. A race begins with many who want it; whoever is first makes it."""
    with _making:
        return _made()


@cache
def _made() -> dict[str, Any]:
    """Make the document, with objects that have no other fields."""
    said: dict[str, Any] = json.loads(document(OpenApiJsonRenderer.media_type))
    for schema in said["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return said


@cache
def _registry() -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry([("urn:purser", _document())])


@cache
def _validator(pointer: str) -> Any:
    at = {"$ref": f"urn:purser#/{quote(pointer)}"}
    return jsonschema_rs.Draft202012Validator(at, registry=_registry(), validate_formats=True)


def _fit(what: Exchange, part: str, operation: dict[str, Any], *steps: str) -> None:
    """Compare a body with its schema, which is some steps below its operation."""
    way = (*operation["at"], *steps, "content", "application/json", "schema")
    pointer = "/".join(step.replace("~", "~0").replace("/", "~1") for step in way)
    _validate(what, part, pointer, _accepted(what) if steps == ("requestBody",) else what.content)


def _accepted(what: Exchange) -> bytes | str | None:
    """Return what was sent, without the entries of a batch that were rejected one by one."""
    if b'"rejected"' not in what.content:
        return what.sent
    results = json.loads(what.content)["results"]
    sent: dict[str, Any] = json.loads(what.sent or "")
    ((name, entries),) = sent.items()
    good = [e for e, its in zip(entries, results, strict=True) if its["status"] != "rejected"]
    return json.dumps({name: good or [GOOD]})


def _validate(what: Exchange, part: str, pointer: str, content: bytes | str | None) -> None:
    try:
        value = json.loads(content or "")
    except ValueError as error:
        raise Undocumented(f"{what}: {part} is not JSON: {content!r:.300}") from error
    validator = _validator(pointer)
    if not validator.is_valid(value):
        wrong = [f"{list(e.instance_path)}: {e.message}" for e in validator.iter_errors(value)]
        raise Undocumented(f"{what}: {part} is not as documented: {wrong[:5]}")


def _compare_headers(what: Exchange, said: dict[str, Any]) -> None:
    known = {header.lower() for header in said.get("headers", {})}
    told = {header.lower() for header in what.headers} & set(TELLING_HEADERS)
    if told - known:
        raise Undocumented(f"{what}: its answer {what.status} has {told - known}, undocumented")
