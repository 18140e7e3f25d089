"""Bare views: what Django, the server and the driver cost where nothing is checked, and only the functions of the database are called.

They take the caller by its number in `bench.caller`, trust it, and read the body, as everybody must, without looking at it.
"""

import json

import psycopg
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from tests.bench import functions

PORTION = 250


@csrf_exempt
def nothing(request: HttpRequest, **_: object) -> HttpResponse:
    """Answer, and that is all."""
    return _answer(request, "{}")


@csrf_exempt
def reserve(request: HttpRequest, n: int) -> HttpResponse:
    """Hold, by the function."""
    return _answer(request, f'{{"id": "rsv_{_value(functions.KEYED_HOLD, {"n": n})}"}}')


@csrf_exempt
def settle(request: HttpRequest, n: int, id: str) -> HttpResponse:
    """Settle, by the function."""
    values = {"n": n, "id": id.removeprefix("rsv_")}
    return _answer(request, f'{{"status": "{_value(functions.KEYED_SETTLE, values)}"}}')


@csrf_exempt
def check(request: HttpRequest, n: int) -> HttpResponse:
    """Look at the figures that an admission compares."""
    return _answer(request, f'{{"outcome": "{_value(functions.CHECK, {"n": n})}"}}')


@csrf_exempt
def events(request: HttpRequest, n: int) -> HttpResponse:
    """Write a batch of events as it comes, set-wise, in portions as large as Purser's."""
    told = json.loads(request.body)["events"]
    portions = [told[first : first + PORTION] for first in range(0, len(told), PORTION)]
    values = [{"n": n, "events": json.dumps(portion)} for portion in portions]
    written = [_value(functions.EVENTS, each) for each in values]
    return _answer(request, f'{{"accepted": {written}}}')


def _value(statement: str, values: dict[str, object]) -> object:
    """Send a prepared statement, past everything that Django does with one, and return the first value of its row."""
    connection.ensure_connection()
    session = connection.connection
    session.prepare_threshold = 0
    with psycopg.Cursor(session) as cursor:
        row = cursor.execute(statement, values, prepare=True).fetchone()
    assert row is not None
    return row[0]


def _answer(request: HttpRequest, text: str) -> HttpResponse:
    _ = request.body  # what is not read makes the server hang up
    return HttpResponse(text, content_type="application/json")


urlpatterns = [
    path("healthz", nothing),
    path("api/nothing", nothing),
    path("api/reserve/<int:n>", reserve),
    path("api/settle/<int:n>/<str:id>", settle),
    path("api/check/<int:n>", check),
    path("api/events/<int:n>", events),
]
