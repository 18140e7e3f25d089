"""What is asked over HTTP: of Purser, and of the bare views beside it."""

import json

from tests.bench import world
from tests.bench.client import Step

LONG_LIVED_SECONDS = 86_400
"""A hold that nobody ends must not fall due while something else is measured."""
ESTIMATE = {
    "model": world.MODEL,
    "inputTokens": world.INPUT,
    "maxOutputTokens": world.OUTPUT,
}
WORK = ESTIMATE | {"expiresInSeconds": LONG_LIVED_SECONDS}
TAKEN = {"inputTokens": world.SETTLED_INPUT, "outputTokens": world.SETTLED_OUTPUT}

RESERVATIONS = "/api/v1/usage/reservations"
RESERVE = Step("POST", RESERVATIONS, json.dumps(WORK))
SETTLE = Step("POST", f"{RESERVATIONS}/{{id}}/settle", json.dumps(TAKEN))
BARE_RESERVE = Step("POST", "/api/reserve/{n}", json.dumps(WORK))
BARE_SETTLE = Step("POST", "/api/settle/{n}/{id}", json.dumps(TAKEN))
CHECK = Step("POST", "/api/v1/usage/check", json.dumps(ESTIMATE))
NOTHING = Step("POST", "/api/nothing", json.dumps(WORK))
