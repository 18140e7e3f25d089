"""The one way an answer is written: JSON, amounts as exact numbers."""

from typing import Any

from rest_framework.renderers import BaseRenderer

from organizations import wire


class ExactJSONRenderer(BaseRenderer):
    """JSON in UTF-8. Decimals are numbers, integers when whole, and never pass through a float."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        return b"" if data is None else wire.dumps(data)
