"""Who may open which door of the API, as data.

Every line of `MATRIX` is a door with its rule. A rule says for each principal what a request about Nordwind, a child of the reseller,
is answered with: the status of a refusal, or `OK`. A door that is missing here fails the build.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OK = 0
"""Whatever 2xx the door answers with."""

NO_KEY = (
    "nobody",
    "garbage",
    "revoked key",
    "expired key",
    "key of an archived child",
    "unrevoked key of an archived child",
    "personal key of an actor who left",
    "staff cookie",
)
"""Whoever opens nothing, anywhere: 401."""

SUSPENDED = "key of a suspended child"
"""503, before anything is looked at, except where work that runs may end."""

WITH_KEY = (
    "reseller",  # *, org:admin
    "reseller in nordwind",  # the same key, with X-Layers-Organization
    "reseller, data only",  # *
    "reseller, reading only",  # credits:read, usage:read
    "reseller, spending only",  # usage:write
    "reseller, no scopes",
    "nordwind",  # *
    "nordwind, org:admin",  # only staff can mint it
    "nordwind, personal",  # *, bound to an actor
    "sibling",  # *
    "stranger",  # *, org:admin, of another root
    "reseller, test",  # *, org:admin, of its sandbox
    "nordwind, test",  # *, of its sandbox
)

PRINCIPALS = (*NO_KEY, SUSPENDED, *WITH_KEY)

MAY_NOT_SEE_CREDIT_CONFIG = tuple(
    who for who in WITH_KEY if not who.startswith("reseller") or who == "reseller, test"
)

SETTLED = "settled"

Rule = Mapping[str, int]


@dataclass(frozen=True)
class Door:
    """A method of a path, and a body that it would take. In both, `{org}`, `{key}`, … stand for what is Nordwind's."""

    method: str
    path: str
    rule: Rule
    body: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def names(self) -> set[str]:
        """What of Nordwind's a request names: `{"org", "key"}`; and `settled`, if its hold is one that was charged."""
        named = set(re.findall(r"{(\w+)}", f"{self.path} {json.dumps(self.body)}"))
        return named | ({SETTLED} if self.path.endswith("/refund") else set())


def _rule(*answers: int) -> Rule:
    """Return the rule of these answers to `WITH_KEY`, in their order."""
    refused = dict.fromkeys(NO_KEY, 401) | {SUSPENDED: 503}
    return refused | dict(zip(WITH_KEY, answers, strict=True))


# The columns are WITH_KEY. A door without ids is about whoever asks; an id is always Nordwind's.
#                        reseller: all, there, data, reads, spends, -   nordwind: *, admin, own   sibling, stranger   test: reseller, nordwind
ANY_KEY = _rule(OK, OK, OK, OK, OK, OK, OK, OK, 403, OK, OK, OK, OK)
READS_CREDITS = _rule(OK, OK, OK, OK, 403, 403, OK, OK, 403, OK, OK, OK, OK)
BUYS_CREDITS = _rule(OK, 422, OK, 403, 403, 403, 422, 422, 403, 422, OK, OK, 422)
SPENDS = _rule(OK, OK, OK, 403, OK, 403, OK, OK, OK, OK, OK, OK, OK)
TELLS_OF_WORK = _rule(OK, OK, OK, 403, OK, 403, OK, OK, 403, OK, OK, OK, OK)
ASKS = _rule(OK, OK, OK, OK, OK, 403, OK, OK, OK, OK, OK, OK, OK)
READS_USAGE = _rule(OK, OK, OK, OK, 403, 403, OK, OK, OK, OK, OK, OK, OK)
READS_A_HOLD = _rule(404, OK, 404, 404, 404, 403, OK, OK, 404, 404, 404, 404, 404)
ENDS_A_HOLD = _rule(404, OK, 404, 403, 404, 403, OK, OK, 404, 404, 404, 404, 404)
WORK_THAT_RUNS = {SUSPENDED: 404}
"""Its holds a suspended organization may read, settle and release: Nordwind's are not there."""
LISTS_PEOPLE = _rule(OK, OK, OK, OK, 403, 403, OK, OK, 403, OK, OK, OK, OK)
READS_PEOPLE = _rule(404, OK, 404, 404, 403, 403, OK, OK, 403, 404, 404, 404, 404)
MANAGES_OWN = _rule(OK, OK, OK, 403, 403, 403, OK, OK, 403, OK, OK, OK, OK)
MANAGES_NORDWINDS = _rule(404, OK, 404, 403, 403, 403, OK, OK, 403, 404, 404, 404, 404)
LISTS_CHILDREN = _rule(OK, OK, 403, 403, 403, 403, 403, OK, 403, 403, OK, OK, 403)
MAKES_A_CHILD = _rule(OK, 422, 403, 403, 403, 403, 403, 422, 403, 403, OK, OK, 403)
GOVERNS_A_CHILD = _rule(OK, 404, 403, 403, 403, 403, 403, 404, 403, 403, 404, 404, 403)
SEES_ITSELF = _rule(403, 403, 403, 403, 403, 403, 403, 403, OK, 403, 403, 403, 403)
KEEPS_KEYS = _rule(OK, OK, 403, 403, 403, 403, OK, OK, 403, 403, 404, 404, 404)

ORG = "/api/v1/organizations/{org}"
HOLD = "/api/v1/usage/reservations/{rsv}"
ACTOR = "/api/v1/actors/{act}"
GROUP = "/api/v1/groups/{grp}"
CONTROLS = "/api/v1/ai/credit-controls"
CREDITS_USED = "/api/v1/ai/credit-usage"
PROFILE = "/api/usage-profiles/{profile}"
BUDGET = "/api/usage-budgets/{entity_type}/{entity}"

LIMIT = {"creditLimit": 5}
NEW_PROFILE = {"name": "Night", "slug": "p-UNIQUE", "description": ""}

MATRIX = [
    Door("GET", "/api/v1/whoami", ANY_KEY),
    Door("GET", "/api/v1/credits", READS_CREDITS),
    Door("GET", "/api/v1/credits/alerts", READS_CREDITS),
    Door("GET", "/api/v1/credits/events", READS_CREDITS),
    Door("GET", "/api/v1/credits/forecast", READS_USAGE),
    Door("GET", "/api/v1/credits/grants", READS_CREDITS),
    Door("POST", "/api/v1/credits/recharge", BUYS_CREDITS, {"credits": 5}),
    Door("GET", "/api/v1/organizations", LISTS_CHILDREN),
    Door("POST", "/api/v1/organizations", MAKES_A_CHILD, {"name": "New"}),
    Door(
        "POST",
        "/api/v1/organizations/bulk",
        MAKES_A_CHILD,
        {"organizations": [{"name": "New"}]},
    ),
    Door("GET", ORG, GOVERNS_A_CHILD),
    Door("PATCH", ORG, GOVERNS_A_CHILD, {"name": "New"}),
    Door("DELETE", ORG, GOVERNS_A_CHILD),
    Door("POST", f"{ORG}/suspend", GOVERNS_A_CHILD),
    Door("POST", f"{ORG}/resume", GOVERNS_A_CHILD),
    Door("GET", f"{ORG}/credits", GOVERNS_A_CHILD),
    Door("GET", f"{ORG}/credits/events", GOVERNS_A_CHILD),
    Door("GET", f"{ORG}/credits/grants", GOVERNS_A_CHILD),
    Door("POST", f"{ORG}/credits/allocate", GOVERNS_A_CHILD, {"credits": 5}),
    Door("POST", f"{ORG}/credits/grants/{{grn}}/void", GOVERNS_A_CHILD, {"reason": "ended"}),
    Door("POST", f"{ORG}/credits/reclaim", GOVERNS_A_CHILD, {"credits": 5}),
    Door("GET", f"{ORG}/credit-config", GOVERNS_A_CHILD),
    Door("PATCH", f"{ORG}/credit-config", GOVERNS_A_CHILD, {"monthlyCreditCap": 5}),
    Door("GET", f"{ORG}/api-keys", KEEPS_KEYS),
    Door("POST", f"{ORG}/api-keys", KEEPS_KEYS, {"name": "k", "scopes": ["usage:read"]}),
    Door("DELETE", f"{ORG}/api-keys/{{key}}", KEEPS_KEYS),
    Door("POST", f"{ORG}/api-keys/{{key}}/rotate", KEEPS_KEYS),
    Door("POST", "/api/v1/sandbox/reset", MANAGES_OWN),
    Door("POST", "/api/v1/usage/check", ASKS, {"estimatedCredits": 5}),
    Door("GET", "/api/v1/usage/reservations", READS_USAGE),
    Door("POST", "/api/v1/usage/reservations", SPENDS, {"estimatedCredits": 5}),
    Door("GET", HOLD, {**READS_A_HOLD, **WORK_THAT_RUNS}),
    Door("POST", f"{HOLD}/settle", {**ENDS_A_HOLD, **WORK_THAT_RUNS}, {"credits": 5}),
    Door("POST", f"{HOLD}/release", {**ENDS_A_HOLD, **WORK_THAT_RUNS}),
    Door("POST", f"{HOLD}/refund", MANAGES_NORDWINDS, {"credits": 5, "reason": "failed"}),
    Door("POST", f"{HOLD}/extend", ENDS_A_HOLD, {"expiresInSeconds": 60}),
    Door("POST", f"{HOLD}/grow", ENDS_A_HOLD, {"estimatedCredits": 6}),
    Door("GET", "/api/v1/usage/events", READS_USAGE),
    Door(
        "POST",
        "/api/v1/usage/events",
        TELLS_OF_WORK,
        {"events": [{"source": "gateway", "id": "UNIQUE", "credits": 1}]},
    ),
    Door("GET", "/api/v1/models", ASKS),
    Door("GET", "/api/v1/actors", LISTS_PEOPLE),
    Door("POST", "/api/v1/actors", MANAGES_OWN, {"name": "Zoe"}),
    Door("GET", ACTOR, READS_PEOPLE),
    Door("PATCH", ACTOR, MANAGES_NORDWINDS, {"name": "Zoe"}),
    Door("DELETE", ACTOR, MANAGES_NORDWINDS),
    Door("GET", "/api/v1/groups", LISTS_PEOPLE),
    Door("POST", "/api/v1/groups", MANAGES_OWN, {"kind": "team", "key": "UNIQUE", "name": "Art"}),
    Door("GET", GROUP, READS_PEOPLE),
    Door("PATCH", GROUP, MANAGES_NORDWINDS, {"name": "Art"}),
    Door("DELETE", GROUP, MANAGES_NORDWINDS),
    Door("PUT", f"{GROUP}/members/{{act}}", MANAGES_NORDWINDS),
    Door("DELETE", f"{GROUP}/members/{{act}}", MANAGES_NORDWINDS),
    Door("GET", CONTROLS, MANAGES_OWN),
    Door("PATCH", CONTROLS, MANAGES_OWN, {"shutoffCredits": 5}),
    Door("GET", f"{CONTROLS}/users", MANAGES_OWN),
    Door(
        "PATCH",
        f"{CONTROLS}/users",
        MANAGES_NORDWINDS,
        {"users": [{"userId": "{act}", **LIMIT}]},
    ),
    Door("GET", f"{CONTROLS}/entity-groups", MANAGES_OWN),
    Door(
        "PATCH",
        f"{CONTROLS}/entity-groups",
        MANAGES_NORDWINDS,
        {"entityGroups": [{"entity": "{entity_key}", **LIMIT}]},
    ),
    Door("GET", f"{CONTROLS}/user-groups", MANAGES_OWN),
    Door(
        "PATCH",
        f"{CONTROLS}/user-groups",
        MANAGES_NORDWINDS,
        {"userGroups": [{"userGroupId": "{grp}", **LIMIT}]},
    ),
    Door("POST", f"{CREDITS_USED}/users", MANAGES_NORDWINDS, {"userIds": ["{act}"]}),
    Door(
        "POST", f"{CREDITS_USED}/entity-groups", MANAGES_NORDWINDS, {"entities": ["{entity_key}"]}
    ),
    Door("POST", f"{CREDITS_USED}/user-groups", MANAGES_NORDWINDS, {"userGroupIds": ["{grp}"]}),
    Door("GET", "/api/ai-budget", SEES_ITSELF),
    Door("GET", "/api/usage", MANAGES_OWN),
    Door("GET", "/api/usage/monthly", MANAGES_OWN),
    Door("GET", "/api/usage/top-consumers", MANAGES_OWN),
    Door("GET", "/api/usage/subscription", MANAGES_OWN),
    Door("POST", "/api/usage/subscription/_cancel", MANAGES_OWN),
    Door("POST", "/api/usage/subscription/_reactivate", MANAGES_OWN),
    Door("GET", "/api/usage-profiles", MANAGES_OWN),
    Door("POST", "/api/usage-profiles", MANAGES_OWN, NEW_PROFILE),
    Door("GET", PROFILE, MANAGES_NORDWINDS),
    Door("PUT", PROFILE, MANAGES_NORDWINDS, NEW_PROFILE),
    Door("PATCH", PROFILE, MANAGES_NORDWINDS, {"name": "Day"}),
    Door("DELETE", PROFILE, MANAGES_NORDWINDS),
    Door("GET", BUDGET, MANAGES_OWN),
    Door("PUT", BUDGET, MANAGES_OWN, {"monthlyBudget": 5}),
    Door("POST", "/api/_ai-refresh-cache", MANAGES_OWN, {}),
]
"""`UNIQUE` in a body is another text in every request."""

FREE_TEXT = {"entity_type", "entity"}
"""What a path may name that is nobody's: everybody has an app called `sales`."""

OPEN = {"api/schema/", "api/docs/"}
"""Paths below /api that need no key: they say nothing of anybody."""
