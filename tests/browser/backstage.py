"""What happens in the house while somebody sits at a browser: Python, run as `manage.py shell` runs it; colleagues; and work that customers do."""

import subprocess
import sys
from typing import Any

from tests.browser.customer import call
from tests.config.test_run import PROJECT, House

PASSWORD = "an anchor of the harbour"


def run(house: House, code: str) -> str:
    """Run Python in the house, beside its workers, and return what it prints."""
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    done = subprocess.run(
        command, cwd=PROJECT, env=house.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def colleague(house: House, name: str) -> None:
    """Let there be one more administrator."""
    run(
        house,
        "from django.contrib.auth.models import User\n"
        f"User.objects.filter(username={name!r}).exists() or "
        f"User.objects.create_superuser({name!r}, password={PASSWORD!r})",
    )


def newcomer(house: House, name: str, *, used: int = 0) -> str:
    """Let somebody join the child, and use some credits at once. Return their id."""
    made = call(house, "child", "POST", "actors", name=name, kind="user")
    assert "error" not in made, made
    if used:
        hold = hold_of(house, used, actorId=made["id"])
        path = f"usage/reservations/{hold}/settle"
        settled = call(house, "child", "POST", path, credits=used)
        assert "error" not in settled, settled
    return str(made["id"])


def hold_of(house: House, credits: int, **fields: Any) -> str:
    """Hold credits of the child for work, and return the id of the hold."""
    asked = {"estimatedCredits": credits, "expiresInSeconds": 3_600, **fields}
    held = call(house, "child", "POST", "usage/reservations", **asked)
    assert "error" not in held, held
    return str(held["id"])


def customers(house: House, called: str, *, many: int) -> None:
    """Let the parent make many children at once."""
    new = [{"name": f"{called} {number:02}"} for number in range(1, many + 1)]
    made = call(house, "parent", "POST", "organizations/bulk", organizations=new)
    assert "error" not in made, made
