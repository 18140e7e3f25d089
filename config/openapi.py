"""The document of the API, and the page that shows it. Making it takes a second, so it is made once for each process."""

from functools import cache
from hashlib import sha256
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request

from config.renderers import ExactJSONRenderer
from organizations.doors import JsonOnly

RENDERERS = {
    renderer.media_type: renderer
    for renderer in (
        OpenApiYamlRenderer,
        OpenApiYamlRenderer2,
        OpenApiJsonRenderer,
        OpenApiJsonRenderer2,
    )
}
FORMATS = {"yaml": OpenApiYamlRenderer.media_type, "json": OpenApiJsonRenderer2.media_type}
ANYTHING = ("", "*/*")


class Schema(SpectacularAPIView):
    content_negotiation_class = JsonOnly
    renderer_classes = [ExactJSONRenderer]  # of refusals: the document is bytes already

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: object, **kwargs: object) -> HttpResponse:
        """The document, as YAML unless JSON is asked for; whoever asks for neither gets JSON."""
        media_type = media_type_for(request._request)
        content = document(media_type)
        etag = f'"{sha256(content).hexdigest()[:32]}"'
        answer = HttpResponse(content, content_type=media_type)
        answer.headers["ETag"] = etag
        answer.headers["Cache-Control"] = "public, max-age=60"
        answer.headers["Vary"] = "Accept"
        unchanged = get_conditional_response(request._request, etag=etag, response=answer)
        return unchanged or answer


class Docs(SpectacularSwaggerSplitView):
    content_negotiation_class = JsonOnly


def media_type_for(request: HttpRequest) -> str:
    """Return what a request asks for, or what comes nearest."""
    named = FORMATS.get(request.GET.get("format", ""))
    accepted = request.headers.get("Accept", "")
    wanted = [part.partition(";")[0].strip().lower() for part in accepted.split(",")]
    if named:
        return named
    known = next((media_type for media_type in wanted if media_type in RENDERERS), None)
    anything = FORMATS["yaml"] if set(ANYTHING) & set(wanted) else FORMATS["json"]
    return known or anything


@cache
def document(media_type: str) -> bytes:
    """Return the document as bytes."""
    return bytes(RENDERERS[media_type]().render(_made(), renderer_context={}))


@cache
def _made() -> dict[str, Any]:
    generator: Any = SchemaGenerator
    made: dict[str, Any] = generator().get_schema(request=None, public=True)
    return made
