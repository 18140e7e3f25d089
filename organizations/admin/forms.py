"""Fields of forms for an organization's own rows: found while one types, since there may be many."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple

from organizations.models import Actor, ApiKey, Membership, Organization


class ForgivingSelect(AutocompleteSelect):
    """A select that searches, and shows nothing for what is no id: addresses and forms may say anything."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        return super().optgroups(name, _ids(value), attr)


class OwnSelect(ForgivingSelect):
    """A select that searches among what one organization has."""

    def __init__(self, field: Any, organization: Organization, **options: Any) -> None:
        self.organization = organization
        super().__init__(field, admin.site, **options)

    def get_url(self) -> str:
        return f"{super().get_url()}?organization={self.organization.pk}"


class OwnSelectMultiple(AutocompleteSelectMultiple):
    """The same for several of them."""

    def __init__(self, field: Any, organization: Organization, **options: Any) -> None:
        self.organization = organization
        super().__init__(field, admin.site, **options)

    def get_url(self) -> str:
        return f"{super().get_url()}?organization={self.organization.pk}"

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        return super().optgroups(name, _ids(value), attr)


def _ids(texts: Sequence[str]) -> list[str]:
    return [text for text in texts if as_id(text) is not None]


def as_id(text: object) -> UUID | None:
    """Return the id that a form or an address says, if it is one."""
    try:
        return UUID(str(text))
    except ValueError:
        return None


def own_row(field: Any, organization: Organization, **options: Any) -> Any:
    """Return a form's field that takes what a model's foreign key can point to, of one organization."""
    rows = field.related_model._default_manager.filter(organization=organization)
    return forms.ModelChoiceField(
        **{"queryset": rows, "widget": OwnSelect(field, organization), **options}
    )


def own_actor(organization: Organization, **options: Any) -> Any:
    """Return a field that takes an actor of an organization."""
    return own_row(ApiKey._meta.get_field("actor"), organization, **options)


def own_actors(organization: Organization, **options: Any) -> forms.ModelMultipleChoiceField:
    """Return a field that takes any number of an organization's actors."""
    return forms.ModelMultipleChoiceField(
        queryset=Actor.objects.filter(organization=organization),
        widget=OwnSelectMultiple(Membership._meta.get_field("actor"), organization),
        **options,
    )
