"""How a door reads a piece of work: ids become objects of the acting organization."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from rest_framework import serializers

from organizations.doors import ApiView, Body
from organizations.models import Actor, Group
from organizations.permissions import ForbiddenScope
from usage.models import AIModel
from usage.services import Work

WORK_FIELDS = ("credits", "tokens", "work_type", "resource_type", "resource_id")


class WorkView(ApiView):
    """What the doors share that hear of work."""

    def require_own(self, body: Body) -> None:
        """Refuse a personal key that picks who spends: nothing that it sends decides whose budget its work is counted against.

        :raises ForbiddenScope: if it names another actor or entity group than its own, or an app or dataset, which are nobody's own
        """
        self._require_own_actor(body.get("actor_id"))
        if self.principal.key.actor_id is None:
            return
        if "resource_type" in body:
            raise ForbiddenScope("a personal key spends from no app's or dataset's budget")
        entity = body.get("entity")
        if entity is not None and not self._own_entity_group(entity).exists():
            raise ForbiddenScope("a personal key spends from its actor's own entity group only")

    def work(self, body: Body) -> tuple[Work, dict[str, Any]]:
        """Return the work that a body describes, and what else the body says.

        :raises ForbiddenScope: if a personal key names somebody else
        :raises Http404: if the organization has no such actor
        :raises ValidationError: if the model or the entity group is unknown, or the actor not active
        """
        self.require_own(body)
        rest = dict(body)
        named = {name: rest.pop(name) for name in WORK_FIELDS if name in rest}
        work = Work(
            self.acting,
            actor=self.actor(rest.pop("actor_id", None)),
            model=_model(rest.pop("model", None)),
            group=self._entity_group(rest.pop("entity", None)),
            personal=self.principal.key.actor_id is not None,
            **named,
        )
        return work, rest

    def actor(self, actor_id: Any) -> Actor | None:
        """Return the actor of a request: the one it names, else the one whose key it is."""
        self._require_own_actor(actor_id)
        own = self.principal.key.actor
        if own is not None:
            return own
        if actor_id is None:
            return None
        found = self.acting.actors.select_related("profile").filter(id=actor_id).first()
        if found is None:
            raise Http404
        if not found.active:
            raise serializers.ValidationError({"actorId": ["This actor is not active."]})
        return found

    def _own_entity_group(self, key: str) -> QuerySet[Group]:
        """Return the entity group of this key that the actor of a personal key is in, if there is one."""
        own = self.principal.key.actor_id
        return self.acting.groups.filter(kind=Group.Kind.ENTITY, key=key, memberships__actor=own)

    def _require_own_actor(self, actor_id: Any) -> None:
        own = self.principal.key.actor_id
        if own is not None and actor_id not in (None, own):
            raise ForbiddenScope("a personal key speaks for its own actor only")

    def _entity_group(self, key: str | None) -> Group | None:
        if key is None:
            return None
        group = self.acting.groups.filter(kind=Group.Kind.ENTITY, key=key).first()
        if group is None:
            raise serializers.ValidationError({"entity": ["There is no such entity group."]})
        return group


def _model(slug: str | None) -> AIModel | None:
    if slug is None:
        return None
    model = AIModel.objects.filter(slug=slug).first()
    if model is None:
        raise serializers.ValidationError({"model": ["There is no such model."]})
    return model
