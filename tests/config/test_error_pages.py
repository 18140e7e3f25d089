"""What a browser is shown when something is refused, missing or broken: a page that looks like the console, and asks nothing of it."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from config import exceptions
from tests.admin.people import client_of, staff_who_may

pytestmark = pytest.mark.django_db(transaction=True)


def shown(answer: Any, status: int, heading: str) -> str:
    html = str(answer.content.decode())
    assert answer.status_code == status
    assert f"<h1>{heading}</h1>" in html
    assert "http://" not in html
    assert "https://" not in html
    assert 'href="/admin/"' in html
    return html


def test_of_what_takes_another_right() -> None:
    answer = staff_who_may().get("/admin/credits/wallet/")

    assert "Roles" in shown(answer, 403, "Not with your rights")


@pytest.mark.parametrize("path", ["/admin/nothing/here/", "/nothing"])
def test_of_what_is_not_there(path: str) -> None:
    client = client_of(User.objects.create_superuser("ana"))

    shown(client.get(path), 404, "There is nothing here")


def test_of_a_form_without_its_token() -> None:
    client = client_of(User.objects.create_superuser("ana"), enforce_csrf_checks=True)

    answer = client.post("/admin/second-factor/", {"act": "begin"})

    shown(answer, 403, "This form is too old, or not of this page")


def test_of_what_broke(rf: Any) -> None:
    shown(exceptions.server_error(rf.get("/admin/")), 500, "This is our fault")
