"""How a door reads a piece of work: ids become objects of the acting organization.

They are taken from the terms that are kept. What is not found there is asked of the database, every time: nothing is refused because of
what was true a moment ago.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework import serializers

from organizations.doors import ApiView, Body
from organizations.models import Actor, Group
from organizations.permissions import ForbiddenScope
from usage.models import AIModel
from usage.services import Work, terms
from usage.services.book import Book

WORK_FIELDS = ("credits", "tokens", "units", "variant", "work_type", "resource_type", "resource_id")


class WorkView(ApiView):
    """What the doors share that hear of work."""

    @cached_property
    def book(self) -> Book:
        """The terms of the acting organization, as they are kept."""
        return terms.book_of(self.acting)

    def require_own(self, body: Body) -> None:
        """Refuse a personal key that picks who spends: nothing that it sends decides whose budget its work is counted against.

        :raises ForbiddenScope: if it names another actor or entity group than its own, or an app or dataset, which are nobody's own
        """
        self._require_own_actor(body)
        own = self.principal.key.actor_id
        if own is None:
            return
        if "resource_type" in body:
            raise ForbiddenScope("a personal key spends from no app's or dataset's budget")
        entity = body.get("entity")
        if entity is not None and not self._is_own_entity_group(own, entity):
            raise ForbiddenScope("a personal key spends from its actor's own entity group only")

    def work(self, body: Body) -> tuple[Work, dict[str, Any]]:
        """Return the work that a body describes, and what else the body says.

        :raises ForbiddenScope: if a personal key names somebody else
        :raises Http404: if the organization has no such actor
        :raises ValidationError: if the model or the entity group is unknown, or the actor not active
        """
        self.require_own(body)
        rest = dict(body)
        rest.pop("actor_id", None)
        called = rest.pop("actor_external_id", None)
        personal = self.principal.key.actor_id is not None
        named = {name: rest.pop(name) for name in WORK_FIELDS if name in rest}
        work = Work(
            self.acting,
            actor=self.actor(body),
            actor_called=None if personal else called,
            model=self._model(body.get("model")),
            model_called=rest.pop("model", ""),
            group=self._entity_group(rest.pop("entity", None)),
            personal=personal,
            **named,
        )
        return work, rest

    def actor(self, said: Mapping[str, Any]) -> Actor | None:
        """Return the actor of a request: the one that its body or query names, else the one whose key it is."""
        self._require_own_actor(said)
        own = self.principal.key.actor_id
        if own is not None or "actor_id" in said:
            field, found = "actorId", self.book.actor(own or said["actor_id"])
        elif "actor_external_id" in said:
            field, found = "actorExternalId", self.book.actor_called(said["actor_external_id"])
        else:
            return None
        if found is None:
            raise Http404
        if own is None and not found.active:
            raise serializers.ValidationError({field: ["This actor is not active."]})
        return found

    def _is_own_entity_group(self, own: UUID, key: str) -> bool:
        """Whether the actor of a personal key is in the entity group of this key."""
        known = self.book.actor_terms(own)
        if known is not None and known.entity_group is not None and known.entity_group.key == key:
            return True
        groups = self.acting.groups.filter(kind=Group.Kind.ENTITY, key=key)
        return groups.filter(memberships__actor=own).exists()

    def _require_own_actor(self, said: Mapping[str, Any]) -> None:
        """Refuse a personal key that names another actor. What its own is called was read with the key, so it is never stale."""
        key = self.principal.key
        if key.actor_id is None or (own := key.actor) is None:
            return
        id, called = said.get("actor_id", own.id), said.get("actor_external_id", own.external_id)
        if (id, called) != (own.id, own.external_id):
            raise ForbiddenScope("a personal key speaks for its own actor only")

    def _entity_group(self, key: str | None) -> Group | None:
        if key is None:
            return None
        group = self.book.group(key)
        if group is None:
            raise serializers.ValidationError({"entity": ["There is no such entity group."]})
        return group

    def _model(self, name: str | None) -> AIModel | None:
        if name is None:
            return None
        model = self.book.model(name)
        if model is None:
            raise serializers.ValidationError({"model": ["There is no such model."]})
        return model
