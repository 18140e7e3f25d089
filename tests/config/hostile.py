"""Hostile input as data: what a stock application answers with 500, or swallows.

A door is one line in `DOORS`: its method, its path, its query parameters and its fields, each with its kind and a value that is good. Every
hostile value of a field's kind replaces the good one, and every hostile body, path id, header and query is tried as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HUGE = 2**63
UUID_TEXT = "01980000-0000-7000-8000-00000000abcd"

_NOT_TEXT: list[Any] = [True, False, 0, 5, -1, 5.5, [], ["a"], {}, {"a": "b"}]
_NOT_STORED: list[Any] = ["\0", "a\0b", "\ud800", "a\udfffb"]
_NOT_SHOWN: list[Any] = ["\x01", "a\x1b[31m", "a\x7fb", "a\u202eb", "\u2066a", "\u200fa", "\u061ca"]
_NOT_NUMBERS: list[Any] = [
    *("5", "1_000", "５", "٥", " 5 ", "", "1e3", "0x10", "NaN", "five", "\0"),
    *(True, False, [], [5], {}, {"value": 5}, -1, HUGE, 2**64, 10**30, -HUGE),
]
_NOT_CREDITS: list[Any] = [0.0000001, 1.0000001, 1e20, 1e-20, 1e300, 10**13 + 1]
_NOT_IDS: list[Any] = [
    *_NOT_TEXT,
    *_NOT_STORED,
    *("", "5", "null", "../x", "%00", "org_", "org_5", f"{{{UUID_TEXT}}}", f"urn:uuid:{UUID_TEXT}"),
    *(UUID_TEXT.replace("-", ""), f"xyz_{UUID_TEXT}", f" {UUID_TEXT}", f"{UUID_TEXT}\n"),
    *("org_" + UUID_TEXT[:-1], "org_" + UUID_TEXT[:-1] + "g", UUID_TEXT[:-1] + "０", "a" * 10_000),
]

_NOT_OBJECTS: list[Any] = [None, True, 0, 5, -1.5, "", "a", "{}", [], [{}], {}]
_NOT_COUNTS: list[Any] = [None, True, "5", -1, -0.5, 10**9 + 1, HUGE, 1e300, [], {}, {"value": 5}]
_NOT_ANSWERS: list[Any] = [
    *({"usage": {}}, {"provider": "anthropic"}, {"provider": "nobody", "usage": {"a": 1}}),
    *(
        {"provider": each, "usage": {"input_tokens": 1, "output_tokens": 1}}
        for each in _NOT_OBJECTS
    ),
    *({"provider": "anthropic", "flavor": each, "usage": {}} for each in _NOT_OBJECTS),
    *({"provider": "anthropic", "usage": each} for each in _NOT_OBJECTS),
    *(
        {"provider": "anthropic", "usage": {"input_tokens": 1, "output_tokens": each}}
        for each in (*_NOT_COUNTS, 1.5)
    ),
    *(
        {"provider": "google", "usage": {"promptTokenCount": 1, "promptTokensDetails": each}}
        for each in (5, "a", {"a": 1}, [{"modality": 5, "tokenCount": 1}])
    ),
]

VALUES: Mapping[str, list[Any]] = {
    "usage": [
        *_NOT_OBJECTS,
        *({"inputTokens": each} for each in (*_NOT_COUNTS, 1.5)),
        *({"audioSeconds": each} for each in (*_NOT_COUNTS, 0.0000001)),
        *({"": 1}, {"\0": 1}, {"tokens": 1}, {"requests": 1}, {"a" * 10_000: 1}),
        {"cacheReadTokens": 1},
    ],
    "units": [
        *_NOT_OBJECTS,
        *({"webSearches": each} for each in (*_NOT_COUNTS, 1.5)),
        *({"": 1}, {"\0": 1}, {"inputTokens": 1}, {"requests": 1}, {"outputImages": 1}),
    ],
    "answer": [*_NOT_OBJECTS, *_NOT_ANSWERS],
    "variant": [
        *_NOT_OBJECTS,
        *({"service_tier": each} for each in (*_NOT_OBJECTS, "\0", "fl ex", "a=b", "a" * 100)),
        *({"": "flex"}, {"\0": "flex"}, {"a b": "flex"}, {"service_tier": "flex", "b": "c"}),
        {"service_tier": "nobody's"},
    ],
    "name": [
        *_NOT_TEXT,
        *_NOT_STORED,
        *_NOT_SHOWN,
        None,
        "",
        " ",
        "a" * 1_000,
        "a\nb",
        "\u2028 \n",
    ],
    "label": [*_NOT_TEXT, *_NOT_STORED, *_NOT_SHOWN, "", " ", "a" * 1_000, "a\nb"],
    "text": [*_NOT_TEXT, *_NOT_STORED, *_NOT_SHOWN, "a" * 10_000],
    "email": [
        *(*_NOT_TEXT, *_NOT_STORED, "", "a", "a@", "@b.example", "a b@c.example", "a@b@c.example"),
        *("a\n@b.example", "a@b.example\n", "a" * 300 + "@b.example", "a@b.example\0"),
    ],
    "flag": [None, 0, 1, 0.0, "", "true", "True", "yes", "1", "\0", [], {}, [True]],
    "slug": [
        *_NOT_TEXT,
        *_NOT_STORED,
        *_NOT_SHOWN,
        None,
        "",
        "A",
        "a b",
        "1a",
        "-a",
        "a\n",
        "é",
        "а",
    ],
    "month": [
        *(
            *_NOT_TEXT,
            *_NOT_STORED,
            "",
            "2026",
            "2026-13",
            "2026-00",
            "2099-01",
            "1999-12",
            "２０２６-05",
        ),
        *("2026-5", "2026-05-01", " 2026-05", "2026-05\n"),
    ],
    "time": [
        *(*_NOT_TEXT, *_NOT_STORED, None, "", "now", "2026-05-01", "2026-05-01T00:00:00"),
        *("2026-05-01T00:00:00+0000", "2026-05-01T00:00:00+99:00", "2026-02-30T00:00:00Z"),
        *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", 1e9),
    ],
    "choice": [*_NOT_TEXT, *_NOT_STORED, None, "", "LIVE", " live", "live\0", "prod", "a" * 1_000],
    "words": [
        *(None, "", "*", 5, True, {}, [], [[]], [{}], [None], [5], [True], ["nobody knows"]),
        *([""], ["\0"], ["\ud800"], ["*"] * 65, ["*", 5]),
    ],
    "objects": [None, "", 5, True, {}, [], [[]], [None], [5], ["a"], [{}, 5], [{}] * 501],
    "names": [
        None,
        "",
        "a",
        5,
        True,
        {},
        [[]],
        [{}],
        [None],
        [5],
        [""],
        ["\0"],
        ["\ud800"],
        ["a"] * 65,
    ],
    "tiers": [
        None,
        "",
        "everyday",
        5,
        {},
        [[]],
        [{}],
        [None],
        [5],
        [""],
        ["\0"],
        ["none"],
        ["everyday"] * 2,
    ],
    "id": [*_NOT_IDS, None],
    "integer": [*_NOT_NUMBERS, None, 0.5, 5.5, 1e3],
    "cap": [*_NOT_NUMBERS, 0.5, 5.5, 1e3],
    "credits": [*_NOT_NUMBERS, None, *_NOT_CREDITS],
    "credits or null": [*_NOT_NUMBERS, *_NOT_CREDITS],
    "metadata": [
        *(True, 5, "text", [], [["a", "b"]], {"": "v"}, {"k" * 41: "v"}, {"k": "v" * 501}),
        *({"k": 5}, {"k": None}, {"k": True}, {"k": []}, {"k": {}}, {"k\0": "v"}, {"k": "\0"}),
        *(
            {"k": "\ud800"},
            {f"k{n}": "v" for n in range(51)},
            {f"k{n}": "v" * 500 for n in range(40)},
        ),
    ],
}
"""By kind of field. `name` is a short text that cannot be null, `label` one that can; likewise
`integer` and `cap`."""

NOT_LISTS: list[Any] = [
    None,
    "",
    "a",
    5,
    True,
    {},
    [],
    [None],
    [5],
    ["a"],
    [[]],
    [{}],
    [{}] * 1_001,
]

QUERY_VALUES: Mapping[str, list[str]] = {
    "limit": [
        *("", "0", "-1", "+1", "101000", "18446744073709551616", "9" * 5_000, "1.0", "1e2", "x"),
        *(
            "%00",
            "%EF%BC%95",
            "%D9%A5",
            "%20" + "5",
            "5%20",
            "1_0",
            "0x5",
            "[]",
            "null",
            "%FF",
            "NaN",
        ),
    ],
    "moment": [
        *("", "now", "0", "2026", "2026-04-01", "2026-04-01T00:00:00", "2026-04-01T00:00:00+00:00"),
        *("2026-04-01T00:00:00%2B0000", "2026-04-01T00:00:00%2B99:00", "2026-02-30T00:00:00Z"),
        *("2999-01-01T00:00:00Z", "1999-01-01T00:00:00Z", "0001-01-01T00:00:00%2B14:00"),
        *("0000-01-01T00:00:00Z", "2026-04-01T00:00:00Z%00", "%FF", "1e9", "[]"),
    ],
    "cursor": [
        *("", "x", "%00", "%FF", "=", "AAAA", "%3D%3D%3D", "aWQ6NQ%00", "aWQ6LTE", "a" * 5_000),
        *("aWQ6OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "bm9ib2R5OjU", "eyJpZCI6NX0", "%F0%9F%98%80"),
    ],
    "time": [
        *(
            "",
            "now",
            "0",
            "2026",
            "2026-04-01",
            "2026-04-01T00:00:00",
            "2026-04-01T00:00:00 00:00",
            "2026-04-01T00:00:00%2B0000",
            "2026-04-01T00:00:00%2B99:00",
        ),
        *("2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "0000-01-01T00:00:00Z", "%00", "%FF"),
        *("99999-01-01T00:00:00Z", "2026-04-01T25:00:00Z", "2026-04-01T00:00:60Z", "1e9", "NaN"),
    ],
    "time with Z": ["", "2026-04-01", "2026-04-01T00:00:00%2B00:00", "2026-04-01T00:00:00z", "%00"],
    "day": [
        *(
            "",
            "now",
            "0",
            "2026",
            "2026-4-1",
            "2026-02-30",
            "2026-13-01",
            "0000-01-01",
            "%00",
            "%FF",
        ),
        *("2026-04-01T00:00:00Z", "99999-01-01", "20260401", "2026-W01-1", "%EF%BC%92026-04-01"),
    ],
    "id": ["", "5", "act_", "%00", "%FF", UUID_TEXT.upper(), f"xyz_{UUID_TEXT}", "a" * 5_000],
    "text": ["", "%00", "%FF", "a%01", "%E2%80%AEa", "a" * 5_000],
    "choice": ["", "x", "%00", "%FF", "ACTIVE", "active,archived", "a" * 5_000, "%F0%9F%98%80"],
}

EXTREMES: Mapping[str, list[Any]] = {
    "integer": [0, 1, 2**31 - 1, 2**31, 2**63 - 1, 10**13],
    "cap": [None, 0, 1, 2**63 - 1, 10**13],
    "credits": [0, 0.000001, 10**13],
    "credits or null": [None, 0, 0.000001, 10**13],
    "time": ["0001-01-01T00:00:00Z", "1900-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"],
    "time with Z": ["0001-01-01T00:00:00Z", "1900-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"],
    "day": ["0001-01-01", "1900-01-01", "9999-12-31"],
    "month": ["2000-01", "2026-12"],
    "name": ["a" * 120, "👩‍💻" * 20, "Ω≈ç√", "'; DROP TABLE x; --", "<script>", "{{7*7}}", "=1+1"],
    "id": [UUID_TEXT, "ffffffff-ffff-ffff-ffff-ffffffffffff"],
}
"""Legal, or nearly: refused or not, never 5xx."""

BODIES: list[bytes] = [
    *(
        b"[]",
        b"null",
        b"true",
        b"5",
        b'"text"',
        b"[{}]",
        b"{",
        b"}",
        b"{}{}",
        b"\x00",
        b"\xff",
        b" ",
    ),
    *(
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1,}',
        b"{'a':1}",
        b"{a:1}",
        b"//",
    ),
    *(b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}', b'{"a":1e400}', b'{"a":-1e400}', b'{"a":1e-400}'),
    *(b'{"a":01}', b'{"a":+1}', b'{"a":.5}', b'{"a":0x1}', b'{"a":' + b"9" * 5_000 + b"}"),
    *(b'{"a\\u0000":1}', b'{"a":"\\u0000"}', b'{"a":"\x00"}', b'{"a":"\\ud800"}', b'{"\\udfff":1}'),
    *(b'{"a":"\xed\xa0\x80"}', b'{"a":"\xc0\x80"}', b'{"a":"\xff\xfe"}', b'\xef\xbb\xbf{"a":1}'),
    *('{"a":1}'.encode("utf-16"), '{"a":1}'.encode("utf-32"), b"a=1&b=2", b"<a/>")[:2],
    b"a=1&b=2",
    b"<a/>",
    b'{"nobody knows this field":1}',
    b'{"__proto__":{}}',
    b'{"":1}',
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b'{"a":' + b"[" * 1_000 + b"]" * 1_000 + b"}",
    b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    b"[" * 1_000,
    b'{"a":"' + b"a" * 70_000 + b'"}',
    b'{"a":1}' + b" " * 70_000,
]

CONTENT_TYPES = [
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "application/xml",
    "application/json; charset=utf-16",
    "application/json; charset=latin-1",
    "application/json; charset=../../etc",
    "application/json, text/plain",
    "\x00",
    "é",
]

IDEMPOTENCY_KEYS = [
    "",
    " ",
    "a b",
    "k" * 256,
    "é",
    "\x7f",
    "a\tb",
    "\x00",
    "k" * 10_000,
    "a,b",
    "a, b",
]

PATH_IDS = [
    *(
        "5",
        "-1",
        "null",
        "org_",
        "%00",
        "%FF",
        "%2e%2e",
        "a%00b",
        "%20",
        "%F0%9F%98%80",
        "{}",
        "[]",
    ),
    *(f"%7B{UUID_TEXT}%7D", f"urn:uuid:{UUID_TEXT}", UUID_TEXT.replace("-", ""), UUID_TEXT.upper()),
    *(f"xyz_{UUID_TEXT}", f"{UUID_TEXT}%0A", "a" * 3_000, str(HUGE), "1e3", "'; DROP TABLE x; --"),
]

PATH_TEXTS = ["%00", "a%00b", "a%01", "a%0Ab", "%E2%80%AE", "a" * 3_000]
"""Where a path names something in words of the caller's, as the resource of a budget."""

ACTING = ["", "5", "\x00", "é", "org_", f"xyz_{UUID_TEXT}", UUID_TEXT.upper(), "a" * 5_000, "a,b"]

QUERIES = [
    *("nobody=knows", "limit=1&limit=2", "%00", "a=%00", "%FF=1", "a=%FF", "format=xml", "=", "a"),
    *("limit%5B%5D=1", "&".join(f"a{n}=1" for n in range(1_100)), "ordering=password", "page=1"),
]


@dataclass(frozen=True)
class Door:
    """A method of a path. In `path` and in good values, `{org}`, `{key}`, … stand for what there is.

    `within` names the list that holds the fields; `personal` doors open to the key of an actor.
    """

    method: str
    path: str
    fields: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    within: str = ""
    personal: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path} {','.join(self.fields)}"[:80]

    def body(self, **changes: Any) -> dict[str, Any]:
        """Return a good body, but for the changes."""
        fields = {name: value for name, (_, value) in self.fields.items()} | changes
        return {self.within: [fields]} if self.within else fields

    def bad(self) -> list[dict[str, Any]]:
        """Return every body in which one field is hostile, and those with a field too many."""
        one_is_bad = [
            self.body(**{name: value})
            for name, (kind, _) in self.fields.items()
            for value in VALUES[kind]
        ]
        around = [{self.within: bad} for bad in NOT_LISTS] if self.within else []
        unknown = [self.body(**{"nobody knows": 1}), self.body() | {"nobody knows": 1}]
        return [*one_is_bad, *around, *unknown]

    def extreme(self) -> list[dict[str, Any]]:
        """Return every body in which one field is at the end of what is legal."""
        return [
            self.body(**{name: value})
            for name, (kind, _) in self.fields.items()
            for value in EXTREMES.get(kind, [])
        ]

    def bad_queries(self) -> list[str]:
        return QUERIES + [
            f"{name}={value}" for name, kind in self.query.items() for value in QUERY_VALUES[kind]
        ]

    def extreme_queries(self) -> list[str]:
        return [
            f"{name}={value}"
            for name, kind in self.query.items()
            for value in EXTREMES.get(kind, [])
        ]


PAGE = {"limit": "limit", "cursor": "cursor"}
EVENTS = PAGE | {
    "eventType": "choice",
    "since": "time with Z",
    "until": "time with Z",
    "projectId": "text",
}
DAYS = {"startDate": "day", "endDate": "day"}
OMNI_PAGE = {"pageSize": "limit", "cursor": "cursor"}

NAME = ("name", "Nordwind")
CALLED = ("name", "u-1")
MAYBE = ("label", "standard")
FLAG = ("flag", True)
EMAIL = ("email", "ana@nordwind.example")
COUNT = ("integer", 5)
CAP = ("cap", 5)
CREDITS = ("credits", 5)
CREDITS_OR_NULL = ("credits or null", 5)
METADATA = ("metadata", {"plan": "pro"})

ORGANIZATION = {
    "name": NAME,
    "metadata": METADATA,
    "billingEmail": EMAIL,
    "externalId": ("label", "7"),
}
ACTOR = {
    "name": NAME,
    "email": EMAIL,
    "externalId": ("label", "7"),
    "profile": MAYBE,
    "active": FLAG,
}
GROUP = {"key": NAME, "name": NAME, "profile": MAYBE}
PROFILE = {
    "name": NAME,
    "slug": ("slug", "night-shift"),
    "description": ("text", "d"),
    "creditCapPerMonth": CAP,
    "allowedModelTiers": ("tiers", ["everyday"]),
    "features": ("names", ["agents"]),
}
WORK = {
    "actorId": ("id", "{act}"),
    "model": ("name", "haiku"),
    "entity": ("name", "acme"),
    "resourceType": ("choice", "ai"),
    "entityType": ("choice", "app"),
    "entityId": ("name", "a1"),
}
TOKENS = {
    f"{kind}Tokens": COUNT for kind in ("input", "cachedInput", "cacheWrite", "output", "reasoning")
}
NAMED = {n: kind for n, kind in WORK.items() if n != "actorId"} | {"actorExternalId": CALLED}
"""Work whose actor is named the other way."""
UNITS = ("units", {"webSearches": 1})
VARIANT = ("variant", {"service_tier": "default"})
ANSWER = ("answer", {"provider": "anthropic", "usage": {"input_tokens": 1, "output_tokens": 1}})
ASK = WORK | {
    "inputTokens": COUNT,
    "maxOutputTokens": COUNT,
    "mode": ("choice", "exact"),
    "maxUnits": UNITS,
    "variant": VARIANT,
}
SERVED = {"model": ("name", "haiku"), "variant": VARIANT}
EVENT = WORK | TOKENS | {"source": NAME, "id": NAME, "occurredAt": ("time", "{now}")}

ORGS = "/api/v1/organizations"
KEYS = ORGS + "/{org}/api-keys"
HOLDS = "/api/v1/usage/reservations"
ACTORS = "/api/v1/actors"
GROUPS = "/api/v1/groups"
CONTROLS = "/api/v1/ai/credit-controls"
SPENT = "/api/v1/ai/credit-usage"
PROFILES = "/api/usage-profiles"
BUDGETS = "/api/usage-budgets/{entity_type}/{entity}"

GRANTS = {"live": "choice", "source": "choice", "status": "choice", "category": "choice"}

DOORS = [
    Door("GET", "/api/v1/whoami"),
    Door("GET", "/api/v1/credits", query={"asOf": "moment"}),
    Door("GET", "/api/v1/credits/alerts", query=PAGE | {"kind": "choice"}),
    Door("GET", "/api/v1/credits/events", query=EVENTS),
    Door(
        "GET",
        "/api/v1/credits/forecast",
        query={"horizonDays": "limit", "actorId": "id", "actorExternalId": "text", "groupId": "id"},
    ),
    Door("GET", "/api/v1/credits/grants", query=PAGE | GRANTS),
    Door("POST", "/api/v1/credits/recharge", {"credits": CREDITS}),
    Door("GET", ORGS, query=PAGE | {"status": "choice"}),
    Door("POST", ORGS, ORGANIZATION),
    Door("POST", ORGS + "/bulk", {"organizations": ("objects", [{"name": "Acme"}])}),
    Door("GET", ORGS + "/{org}"),
    Door("PATCH", ORGS + "/{org}", ORGANIZATION),
    Door("DELETE", ORGS + "/{org}"),
    Door("POST", ORGS + "/{org}/suspend"),
    Door("POST", ORGS + "/{org}/resume"),
    Door("GET", ORGS + "/{org}/credits", query={"asOf": "moment"}),
    Door("GET", ORGS + "/{org}/credits/events", query=EVENTS),
    Door("GET", ORGS + "/{org}/credits/grants", query=PAGE | GRANTS),
    Door(
        "POST",
        ORGS + "/{org}/credits/allocate",
        {"credits": COUNT, "description": ("text", "d"), "metadata": METADATA},
    ),
    Door("POST", ORGS + "/{org}/credits/grants/{grn}/void", {"reason": ("text", "ended")}),
    Door(
        "POST",
        ORGS + "/{org}/credits/reclaim",
        {"credits": CREDITS, "description": ("text", "d"), "metadata": METADATA},
    ),
    Door("GET", ORGS + "/{org}/credit-config"),
    Door(
        "PATCH",
        ORGS + "/{org}/credit-config",
        {"monthlyCreditCap": CAP, "refillThreshold": CAP, "refillAmount": CAP},
    ),
    Door("GET", KEYS, query=PAGE),
    Door("POST", KEYS, {"name": NAME, "scopes": ("words", ["*"]), "env": ("choice", "live")}),
    Door("DELETE", KEYS + "/{key}"),
    Door("POST", KEYS + "/{key}/rotate"),
    Door("POST", "/api/v1/sandbox/reset"),
    Door("POST", KEYS, {"name": NAME, "scopes": ("words", ["*"]), "actorExternalId": CALLED}),
    Door("POST", "/api/v1/usage/check", ASK),
    Door("POST", "/api/v1/usage/check", NAMED | {"estimatedCredits": CREDITS}),
    Door("POST", HOLDS, ASK | {"expiresInSeconds": COUNT, "metadata": METADATA}),
    Door("POST", HOLDS, {"estimatedCredits": CREDITS}),
    Door("POST", HOLDS, NAMED | {"estimatedCredits": CREDITS}),
    Door(
        "GET",
        HOLDS,
        query=PAGE
        | {"status": "choice", "actorId": "id", "since": "time", "until": "time"}
        | {"actorExternalId": "text"},
    ),
    Door("GET", HOLDS + "/{rsv}"),
    Door("POST", HOLDS + "/{rsv}/settle", {"credits": CREDITS, "metadata": METADATA}),
    Door("POST", HOLDS + "/{rsv}/settle", TOKENS | SERVED),
    Door("POST", HOLDS + "/{rsv}/settle", SERVED | {"usage": ("usage", {"inputTokens": 1})}),
    Door("POST", HOLDS + "/{rsv}/settle", SERVED | {"response": ANSWER}),
    Door("POST", HOLDS + "/{rsv}/refund", {"credits": CREDITS, "reason": ("text", "failed")}),
    Door("POST", HOLDS + "/{rsv}/release"),
    Door("POST", HOLDS + "/{rsv}/extend", {"expiresInSeconds": COUNT}),
    Door("POST", HOLDS + "/{rsv}/grow", {"estimatedCredits": CREDITS}),
    Door("POST", HOLDS + "/{rsv}/grow", {"maxOutputTokens": COUNT, "maxUnits": UNITS}),
    Door("POST", "/api/v1/usage/events", EVENT | {"variant": VARIANT}, within="events"),
    Door(
        "POST",
        "/api/v1/usage/events",
        SERVED | {"source": NAME, "id": NAME, "response": ANSWER},
        within="events",
    ),
    Door(
        "POST",
        "/api/v1/usage/events",
        SERVED | {"source": NAME, "id": NAME, "usage": ("usage", {"inputTokens": 1})},
        within="events",
    ),
    Door(
        "POST",
        "/api/v1/usage/events",
        NAMED | {"source": NAME, "id": NAME, "credits": CREDITS},
        within="events",
    ),
    Door(
        "GET",
        "/api/v1/usage/events",
        query=PAGE
        | {"actorId": "id", "model": "text", "source": "text", "since": "time", "until": "time"}
        | {"entryId": "id", "reservationId": "id", "actorExternalId": "text"},
    ),
    Door(
        "GET",
        "/api/v1/models",
        query=PAGE
        | {"actorId": "id", "actorExternalId": "text", "provider": "text", "q": "text"}
        | {"tier": "choice", "available": "choice"},
    ),
    Door(
        "GET",
        ACTORS,
        query=PAGE | {"kind": "choice", "active": "choice", "externalId": "text", "groupId": "id"},
    ),
    Door("POST", ACTORS, ACTOR | {"kind": ("choice", "user")}),
    Door("GET", ACTORS + "/{act}"),
    Door("PATCH", ACTORS + "/{act}", ACTOR),
    Door("DELETE", ACTORS + "/{act}"),
    Door("GET", GROUPS, query=PAGE | {"kind": "choice", "key": "text"}),
    Door("POST", GROUPS, GROUP | {"kind": ("choice", "team")}),
    Door("GET", GROUPS + "/{grp}"),
    Door("PATCH", GROUPS + "/{grp}", GROUP),
    Door("DELETE", GROUPS + "/{grp}"),
    Door("PUT", GROUPS + "/{grp}/members/{act}"),
    Door("DELETE", GROUPS + "/{grp}/members/{act}"),
    Door("GET", CONTROLS),
    Door(
        "PATCH",
        CONTROLS,
        {
            f"{name}Credits": CREDITS_OR_NULL
            for name in (
                *("downgrade", "shutoff"),
                *("userDefault", "entityGroupDefault", "userGroupDefault"),
            )
        },
    ),
    Door("GET", CONTROLS + "/users", query=OMNI_PAGE),
    Door("GET", CONTROLS + "/entity-groups", query=OMNI_PAGE),
    Door("GET", CONTROLS + "/user-groups", query=OMNI_PAGE),
    Door(
        "PATCH",
        CONTROLS + "/users",
        {"userId": ("id", "{act}"), "creditLimit": CREDITS_OR_NULL},
        within="users",
    ),
    Door(
        "PATCH",
        CONTROLS + "/entity-groups",
        {"entity": ("name", "acme"), "creditLimit": CREDITS_OR_NULL},
        within="entityGroups",
    ),
    Door(
        "PATCH",
        CONTROLS + "/user-groups",
        {"userGroupId": ("id", "{grp}"), "creditLimit": CREDITS_OR_NULL},
        within="userGroups",
    ),
    Door("POST", SPENT + "/users", {"userIds": ("words", ["{act}"])}),
    Door("POST", SPENT + "/entity-groups", {"entities": ("words", ["acme"])}),
    Door(
        "POST",
        SPENT + "/user-groups",
        {"userGroupIds": ("words", ["{grp}"]), "period": ("month", "2026-05")},
    ),
    Door("GET", "/api/ai-budget", personal=True),
    Door("GET", "/api/usage", query=DAYS),
    Door("GET", "/api/usage/monthly", query=DAYS),
    Door("GET", "/api/usage/top-consumers", query=DAYS | {"limit": "limit"}),
    Door("GET", "/api/usage/subscription"),
    Door("POST", "/api/usage/subscription/_cancel"),
    Door("POST", "/api/usage/subscription/_reactivate"),
    Door("POST", "/api/_ai-refresh-cache", {"progress": NAME}),
    Door("GET", PROFILES),
    Door("POST", PROFILES, PROFILE),
    Door("GET", PROFILES + "/{profile}"),
    Door("PUT", PROFILES + "/{profile}", PROFILE),
    Door("PATCH", PROFILES + "/{profile}", PROFILE),
    Door("DELETE", PROFILES + "/{profile}"),
    Door("GET", BUDGETS),
    Door("PUT", BUDGETS, {"monthlyBudget": CAP}),
]
