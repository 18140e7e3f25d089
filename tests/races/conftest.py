"""What races have in common: they are decided by who comes first, and never by how busy the machine is."""

import re
from collections.abc import Iterator

import pytest
from django.db import connection


@pytest.fixture(autouse=True)
def _patient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let nobody give up who waits for forty others. That callers do give up, `tests/test_faults.py` shows."""
    if request.node.get_closest_marker("race") is None:
        yield
        return
    request.getfixturevalue("transactional_db")
    options = connection.settings_dict["OPTIONS"]
    patient = options["options"].replace("=5s", "=60s").replace("=15s", "=60s")
    monkeypatch.setitem(options, "options", patient)
    # This session goes on, and is what it was after the test: another one would plan everything anew.
    for name, value in re.findall(r"-c (\w+)=(\w+)", patient):
        _set(name, value)
    session = connection.connection
    yield
    if connection.connection is not session:
        connection.close()


def _set(name: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
