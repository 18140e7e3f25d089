"""docs/api.md has every operation of the API, with who may call it, and none that there is not."""

import re
from pathlib import Path

from tests.routes import views

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def test_has_every_operation_with_its_scopes() -> None:
    lines = re.findall(r"^\| `([A-Z]+ /\S+)` \| (.+?) \| .+ \|$", PAGE.read_text(), re.MULTILINE)

    assert dict(lines) == {
        f"{method} {_written(path)}": who
        for path, view in views()
        for method in METHODS
        if (who := _who_may(view, method))
    }
    assert len(lines) == len(dict(lines))


def _written(path: str) -> str:
    """Return a path as the page writes it: `/api/v1/actors/{act_id}`."""
    return "/" + re.sub(r"<[a-z]+:([a-z_0-9]+)>", r"{\1}", path)


def _who_may(view: object, method: str) -> str | None:
    """Return who may call a method of a view, as the page says it; null where it has none."""
    operation_for = getattr(getattr(view, "cls", None), "operation_for", None)
    operation = operation_for(method) if operation_for else None
    if operation is None:
        return None
    scopes = [scope if " " in scope else f"`{scope}`" for scope in operation.scopes]
    return " or ".join(scopes) + (", personal" if operation.personal else "")
