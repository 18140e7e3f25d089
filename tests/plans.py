"""What statements read: each is explained as it is sent, and says which rows, of which tables, by which plan."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import connection

_LOST = ("Rows Removed by Filter", "Rows Removed by Index Recheck")


class Statement(NamedTuple):
    """One that was sent, with its plan."""

    sql: str
    plan: dict[str, Any]

    @property
    def nodes(self) -> Iterator[dict[str, Any]]:
        below = [self.plan]
        while below:
            node = below.pop()
            below += node.get("Plans", [])
            yield node

    @property
    def rows_read(self) -> int:
        """How many rows were read from tables, those that did not fit too."""
        return int(sum(self.read_of.values()))

    @property
    def read_of(self) -> dict[str, float]:
        """How many rows were read of each table."""
        found: dict[str, float] = {}
        for node in self.nodes:
            if "Relation Name" in node and node["Node Type"] != "ModifyTable":
                rows = node["Actual Rows"] + sum(node.get(name, 0) for name in _LOST)
                name = node["Relation Name"]
                found[name] = found.get(name, 0) + node["Actual Loops"] * rows
        return found

    @property
    def scanned(self) -> set[str]:
        """Which tables are read as a whole."""
        nodes = (node for node in self.nodes if node["Node Type"] == "Seq Scan")
        return {node["Relation Name"] for node in nodes}

    @property
    def blocks(self) -> int:
        return int(self.plan.get("Shared Hit Blocks", 0) + self.plan.get("Shared Read Blocks", 0))


@contextmanager
def explained() -> Iterator[list[Statement]]:
    """Explain every statement that only reads, before it is executed."""
    found: list[Statement] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip("( \n").upper().startswith(("SELECT", "WITH")) and "EXPLAIN" not in sql:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
                ((answer,),) = cursor.fetchall()
            plans = json.loads(answer) if isinstance(answer, str) else answer
            found.append(Statement(sql, plans[0]["Plan"]))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield found


def told(node: dict[str, Any], depth: int = 0) -> str:
    """Return a plan as lines."""
    names = (
        "Index Name",
        "Relation Name",
        "Actual Rows",
        "Actual Loops",
        "Rows Removed by Filter",
        "Index Cond",
        "Filter",
        "Sort Key",
    )
    said = ", ".join(f"{name}: {node[name]}" for name in names if node.get(name))
    below = [told(each, depth + 1) for each in node.get("Plans", [])]
    return "\n".join([f"{'  ' * depth}{node['Node Type']} {said}", *below])
