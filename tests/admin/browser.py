"""What a browser would send: the fields of a page's form as they are shown, and as somebody changed them."""

from html.parser import HTMLParser
from typing import Any

from django.test import Client

Attributes = dict[str, str | None]


class _Fields(HTMLParser):
    """The fields of the form that a page posts."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, list[str]] = {}
        self._is_in_form = False
        self._select: str | None = None
        self._first: str | None = None
        self._takes_many = False
        self._textarea: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        if tag == "form":
            self._is_in_form = (of.get("method") or "").lower() == "post" and bool(of.get("id"))
        if not self._is_in_form:
            return
        if tag == "input":
            self._input(of)
        elif tag == "select":
            self._select, self._first = of.get("name"), None
            self._takes_many = "multiple" in of
        elif tag == "option" and self._select:
            self._option(of)
        elif tag == "textarea":
            self._textarea = of.get("name")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select" and self._select:
            if self._first is not None and not self._takes_many:
                self.sent.setdefault(self._select, [self._first])
            self._select = None
        elif tag == "textarea":
            self._textarea = None

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self._send(self._textarea, data.removeprefix("\n"))

    def _option(self, of: Attributes) -> None:
        value = of.get("value") or ""
        self._first = value if self._first is None else self._first
        if self._select and "selected" in of:
            self._send(self._select, value)

    def _input(self, of: Attributes) -> None:
        kind = of.get("type") or "text"
        name = of.get("name")
        is_off = kind in ("checkbox", "radio") and "checked" not in of
        if name and not is_off and kind not in ("submit", "button"):
            self._send(name, of.get("value") or ("on" if kind == "checkbox" else ""))

    def _send(self, name: str, value: str) -> None:
        self.sent.setdefault(name, []).append(value)


CONFIRMED = {"step": "confirm", "reason": "asked for by mail"}
"""What is sent with a rule when its effect was looked at."""


def fill_in_page(client: Client, url: str, **fields: Any) -> dict[str, Any]:
    """Open a page and return what its form would send, confirmed; `None` for a field that is switched off."""
    answer = client.get(url)
    assert answer.status_code == 200, answer.headers
    page = _Fields()
    page.feed(answer.content.decode())
    return {
        name: value
        for name, value in {**page.sent, **CONFIRMED, **fields}.items()
        if value is not None
    }


def errors_of(answer: Any) -> dict[str, list[str]]:
    """Return the errors of a page that was sent back, by field."""
    assert answer.status_code == 200, answer.headers
    return dict(answer.context["adminform"].form.errors)
