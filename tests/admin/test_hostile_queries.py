"""Whatever the address of a page of the admin says, the answer is a page: never a failure of ours."""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse

pytestmark = pytest.mark.django_db(transaction=True)

VALUES = ["x", "-1", "99999", "9" * 30, "99999-01-01", "0001-01-01", "\ud800", "\0"]
ANYWHERE = ["q", "p", "o", "e", "all", "_facets", "_popup", "_to_field", "_changelist_filters", "x"]
FEW = 25
"""One pair of so many is enough of what all lists have in common: it has no divisor that the number of values has, so each value has its turn."""


def models() -> list[type[Model]]:
    return list(admin.site._registry)


def filters(model: type[Model]) -> Iterator[str]:
    """Yield the parameters of the filters that the list of a model has."""
    own = admin.site._registry[model]
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_active=True)
    changes = own.get_changelist_instance(request)
    for spec in changes.filter_specs:
        yield from (str(name) for name in spec.expected_parameters())
        field = getattr(spec, "field_path", None) or ""
        yield from (f"{field}_{end}_{n}" for end in ("from", "to") for n in (0, 1) if field)
    if own.date_hierarchy:
        yield from (f"{own.date_hierarchy}__{part}" for part in ("year", "month", "day", "gte"))


def others(model: type[Model]) -> Iterator[str]:
    """Yield what every list reads, and what none does."""
    yield from (f"{field.name}{look}" for field in model._meta.fields[:6] for look in ("", "__gte"))
    yield from ANYWHERE


def shared(names: Iterable[str], share: int, start: int) -> Iterator[tuple[str, str]]:
    """Yield so many of all pairs of a name and a value: with an eighth each name has one of them, with less not every name."""
    for number, pair in enumerate(product(dict.fromkeys(names), VALUES), start):
        if (number + number // len(VALUES)) % share == 0:
            yield pair


@pytest.mark.parametrize(
    ("share", "of_others"), [(8, FEW), pytest.param(1, 1, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("model", models(), ids=lambda model: model._meta.label)
def test_lists_survive_every_filter(
    ana: Client, model: type[Model], share: int, of_others: int
) -> None:
    """One value for each filter, and for what all lists have in common in each third list; all values are for `make test-slow`."""
    ana.raise_request_exception = False
    path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    place = len(VALUES) * models().index(model)
    pairs = [*shared(filters(model), share, place), *shared(others(model), of_others, place)]
    failed = []

    for name, value in pairs:
        answer: Any = ana.get(f"{path}?{name}={quote(value, errors='surrogatepass')}")
        if answer.status_code >= 500:
            failed.append((name, value, repr(answer.exc_info)))

    assert failed == []


def test_no_name_and_no_value_is_left_out() -> None:
    """What is asked of all lists together, by the small share."""
    asked = {
        pair
        for place in range(len(models()))
        for pair in shared(ANYWHERE, FEW, len(VALUES) * place)
    }

    assert {name for name, _ in asked} == set(ANYWHERE)
    assert {value for _, value in asked} == set(VALUES)


@pytest.mark.parametrize("query", ["created_at__year=99999", "created_at__year=9%00"])
def test_says_that_an_address_says_nothing(ana: Client, query: str) -> None:
    answer = ana.get(f"{reverse('admin:usage_denial_changelist')}?{query}")

    assert answer.status_code in (302, 400)
    assert answer.status_code == 302 or b"This address cannot be read" in answer.content


@pytest.mark.parametrize("name", ["a%00b", "%00", "x", "9" * 40, "_5F", "99999-01-01"])
@pytest.mark.parametrize("model", models(), ids=lambda model: model._meta.label)
def test_pages_survive_every_id(ana: Client, model: type[Model], name: str) -> None:
    ana.raise_request_exception = False
    path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")

    assert ana.get(f"{path}{name}/change/").status_code < 500
    assert ana.get(f"{path}{name}/history/").status_code < 500


def test_a_failure_of_ours_is_still_one(ana: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ana.raise_request_exception = False
    monkeypatch.setattr("django.contrib.admin.options.ModelAdmin.changelist_view", broken)

    assert ana.get(f"{reverse('admin:usage_denial_changelist')}?q=x").status_code == 500


def broken(*_: Any, **__: Any) -> Any:
    raise KeyError("ours")
