"""What Django's test client does again for every request and need not: as if a server began anew, and told of every part of a page."""

from typing import Any

from django.core.signals import setting_changed
from django.template import Context, Template
from django.test import utils
from django.test.client import ClientHandler
from django.test.signals import template_rendered

_load_middleware = ClientHandler.load_middleware
_loaded: list[ClientHandler] = []
"""The client's handler that loaded the middleware under the settings of now."""
_PARTS = (
    "_middleware_chain",
    "_view_middleware",
    "_template_response_middleware",
    "_exception_middleware",
)


def spare() -> None:
    """Load middleware once for all clients until a setting changes, as a server does; tell of a page, and not of each template inside it."""
    handler: Any = ClientHandler
    told: Any = utils
    handler.load_middleware = _take_middleware
    setting_changed.connect(_forget_middleware)
    told.instrumented_test_render = _render


def _take_middleware(handler: ClientHandler, is_async: bool = False) -> None:
    first = _loaded[0] if _loaded else None
    if first is None:
        _load_middleware(handler)
        _loaded[:] = [handler]
    else:
        vars(handler).update({part: getattr(first, part) for part in _PARTS})


def _forget_middleware(**_: Any) -> None:
    _loaded.clear()


def _render(template: Template, context: Context) -> str:
    """Render, and tell the client what it finds as `answer.context`: a page has some hundred templates inside, and each told copies all of it."""
    if context.template is template:
        template_rendered.send(sender=template, template=template, context=context)
    return template.nodelist.render(context)
