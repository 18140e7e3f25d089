"""Whether this process can do its work: the database answers, and its tables are the ones we know."""

from functools import cache

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from organizations import clock, pulse


class NotMigrated(Exception):
    """The database is older than the code."""


def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when requests can be served, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        _require_migrated()
    except (Error, NotMigrated):
        return JsonResponse({"status": "unavailable"}, status=503, headers={"Retry-After": "1"})
    return JsonResponse({"status": "ok"})


def calendar(request: HttpRequest) -> JsonResponse:
    """Answer 200 when everything was rung for that should have been, else 503 with what was not; so where the database's clock has leapt. What
    is switched off is named beside it.

    The API needs no calendar for a right answer, so this is for whoever is to be woken up, not for a load balancer.
    """
    try:
        overdue = pulse.late(now=clock.now())
        off, doubt = pulse.switched_off(), pulse.doubted()
    except Error:
        return JsonResponse({"status": "unavailable"}, status=503, headers={"Retry-After": "1"})
    beside = ({"switchedOff": off} if off else {}) | ({"clock": doubt} if doubt else {})
    if overdue or doubt:
        status = {"status": "late" if overdue else "clock"}
        late = {"late": [str(one) for one in overdue]} if overdue else {}
        return JsonResponse(status | late | beside, status=503)
    return JsonResponse({"status": "ok"} | beside)


@cache
def _require_migrated() -> None:
    """Do nothing if every migration is applied. That is looked up until it is true, then remembered.

    :raises NotMigrated: if one is missing
    """
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotMigrated
