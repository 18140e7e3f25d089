"""Who uses the admin in its tests, and the moment at which they do."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client

from tests.admin.people import client_of
from tests.factories import NOW


@pytest.fixture(autouse=True)
def plain_static_files(settings: Any) -> None:
    """Serve without collecting first: the manifest names only what was collected."""
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }


@pytest.fixture(autouse=True)
def cheap_passwords(settings: Any) -> None:
    """Hash passwords in no time: a real hasher takes half a second for each."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def still_time() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def ana(transactional_db: None) -> Client:
    """Ana may do everything."""
    return client_of(User.objects.create_superuser("ana"))
