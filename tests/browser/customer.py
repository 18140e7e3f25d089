"""What the customer does in the stories of the staff: asks the API for work that is refused, and has the request's id in hand."""

import json
import re
import time
import urllib.error
import urllib.request
from typing import Any
from uuid import uuid4

from tests.config.test_run import House

PATIENCE = 60
"""How often somebody asks who is told to come again: as long as a busy machine may take."""
LEFT = 50
"""What the cap leaves before the work that is refused."""


def key(house: House, whose: str) -> str:
    """Return the key of the demo that the start printed: of the `parent` or the `child`."""
    found = re.search(rf"{whose} key\s+(\S+)", house.output)
    assert found, house.output
    return found[1]


def call(house: House, whose: str, method: str, path: str, **body: Any) -> dict[str, Any]:
    """Ask the API, and return what it answers, whether it agrees or not. Where it says when to ask again, that is done, with the same key."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{house.port}/api/v1/{path}",
        method=method,
        data=json.dumps(body).encode() if body else None,
        headers={
            "Authorization": f"Bearer {key(house, whose)}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"{uuid4()}",
        },
    )
    for _ in range(PATIENCE):
        answer, wait = _answer(request)
        if wait is None:
            break
        time.sleep(wait)
    return answer


def _answer(request: urllib.request.Request) -> tuple[dict[str, Any], int | None]:
    """Return what is answered, and after how many seconds to ask again, if so."""
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return dict(json.load(answer)), None
    except urllib.error.HTTPError as refused:
        is_busy = refused.code == 503 and "Retry-After" in refused.headers
        return dict(json.load(refused)), int(refused.headers["Retry-After"]) if is_busy else None


def child_of(house: House) -> str:
    """Return the id of the child."""
    me = call(house, "child", "GET", "whoami")
    assert "error" not in me, me
    return str(me["organizationId"])


def another_key(house: House) -> None:
    """Give the child one more key, the newest: one that may leak while the printed one is still asked with."""
    keys = f"organizations/{child_of(house)}/api-keys"
    made = call(house, "parent", "POST", keys, name="Another", scopes=["usage:write"])
    assert "error" not in made, made


def refused_by_the_cap(house: House) -> str:
    """Have work of the child refused by its cap. Return the id of the request."""
    child = child_of(house)
    now = call(house, "child", "GET", "credits")
    call(
        house,
        "parent",
        "PATCH",
        f"organizations/{child}/credit-config",
        monthlyCreditCap=int(now["usedThisPeriod"] + now["reservedCredits"]) + LEFT,
    )
    answer = call(house, "child", "POST", "usage/reservations", estimatedCredits=10 * LEFT)
    assert answer["error"]["details"]["reason"] == "cap", answer
    return str(answer["error"]["requestId"])
