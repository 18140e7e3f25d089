"""Django as WSGI. The server calls it in its threads (config/server.py)."""

import os
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

MAX_CHUNKED_BYTES = 8 * 1024 * 1024

django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Hand a request to Django, made into one that Django reads as it was meant."""
    connection.close_if_unusable_or_obsolete()  # however long ago this thread used it
    _tell_length(environ)
    _refuse_charset(environ)
    return django(environ, start_response)


def _tell_length(environ: dict[str, Any]) -> None:
    """Django sees no body where none is announced: a chunked one is read here, from a server that does not
    say a length for it as ours does. What is too long for any door is cut, and still too long."""
    if environ.get("HTTP_TRANSFER_ENCODING") and not environ.get("CONTENT_LENGTH"):
        body = environ["wsgi.input"].read(MAX_CHUNKED_BYTES)
        environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}


def _refuse_charset(environ: dict[str, Any]) -> None:
    """Django decodes the query by the charset of the body, before any code of ours could answer, and
    breaks over `charset=zlib`. Everything here is UTF-8: another charset is no type we know."""
    _, parameters = parse_header_parameters(environ.get("CONTENT_TYPE", ""))
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        environ["CONTENT_TYPE"] = "application/octet-stream"
