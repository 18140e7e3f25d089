"""Recompute the hashes of exported ledgers, one JSON object a line, with nothing of Purser and without a database.

psql --no-psqlrc --tuples-only --no-align --dbname=purser --file=export.sql | python3 auditor.py
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = dict[str, Any]
ENTRY = """
    previous_hash wallet_id number id period_id kind amount balance_after allowance_after usage_after reservation_id
    counted_in_id reverses_id transfer_id reference reason metadata performed_by"""
GRANT = "id wallet_id source amount priority"


def fields(*values: str | None) -> str:
    """Each text after its length in bytes and a colon; a tilde for what is NULL."""
    return "".join("~" if text is None else f"{len(text.encode())}:{text}" for text in values)


def moment(text: str | None) -> str | None:
    """Whole microseconds since 1970."""
    since = None if text is None else datetime.fromisoformat(text) - EPOCH
    return None if since is None else str(since // timedelta(microseconds=1))


def draw_text(draw: Row) -> str:
    return fields(draw["grant_id"], draw["amount"])


def grant_text(grant: Row) -> str:
    moments = moment(grant["expires_at"]), moment(grant["term_starts_at"])
    rest = grant["seat"], grant["upgrade"], moment(grant["created_at"])
    return fields(*[grant[name] for name in GRANT.split()], *moments, *rest)


def hash_of(entry: Row) -> str:
    draws = sorted(entry["draws"] or [], key=lambda draw: str(draw["grant_id"]))
    grants = sorted(entry["grants"] or [], key=lambda grant: str(grant["id"]))
    texts = "".join(map(draw_text, draws)), "".join(map(grant_text, grants))
    said = [entry[name] for name in ENTRY.split()]
    content = fields("1", *said, moment(entry["posted_at"]), *texts)
    return hashlib.sha256(content.encode()).hexdigest()


def wrong(lines: Iterable[str]) -> Iterator[str]:
    """Yield what does not fit: the lines are entries, of each wallet in the order of their numbers."""
    heads: dict[str, tuple[int, str]] = {}
    for line in lines:
        # Numbers stay the texts that they are: an amount is never a float.
        entry: Row = json.loads(line, parse_float=str, parse_int=str)
        number, head = heads.get(entry["wallet_id"], (0, "00" * 32))
        name = f"entry {entry['number']} of wallet {entry['wallet_id']}"
        if entry["number"] != str(number + 1) or entry["previous_hash"] != head:
            yield f"{name} does not continue the one before it"
        if entry["hash"] != hash_of(entry):
            yield f"{name} is not what was written: its hash is not that of its content"
        heads[entry["wallet_id"]] = int(entry["number"]), entry["hash"]


if __name__ == "__main__":
    found = list(wrong(sys.stdin))
    sys.exit("\n".join(found) or None)
