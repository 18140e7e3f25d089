"""Actors, groups, and who is in which."""

from typing import Any
from uuid import UUID

from django.db.models import Count, OuterRef, Prefetch, Q, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from credits import services as credits_services
from organizations.doors import ApiView, Body, operation
from organizations.idempotency import Answer
from organizations.models import Actor, Group, Membership, UsageProfile
from organizations.pagination import page_of
from organizations.scopes import MANAGE, USAGE_READ
from usage.serializers import actors as shapes
from usage.services import groups


class ManagedView(ApiView):
    """What the views of actors and groups share: finding them, by ids of the acting organization."""

    @property
    def author(self) -> str:
        """Who changes something, as histories name a key."""
        return self.principal.key.public_id

    @property
    def stamp(self) -> dict[str, Any]:
        """Who changes something, and when: what the services are told."""
        return {"performed_by": self.author, "now": self.now}

    def actor(self, act_id: UUID) -> Actor:
        """Return an actor of the acting organization.

        :raises Http404: if it has no such actor
        """
        return get_object_or_404(self.acting.actors.select_related("profile"), id=act_id)

    def group(self, grp_id: UUID) -> Group:
        """Return a group of the acting organization.

        :raises Http404: if it has no such group
        """
        return get_object_or_404(self.acting.groups.select_related("profile"), id=grp_id)

    def with_profile(self, body: Body) -> Body:
        """Return a body with the profile that its slug names: the organization's own, else the system's.

        :raises ValidationError: if there is none
        """
        slug = body.get("profile")
        if slug is None:
            return body
        reachable = Q(organization=self.acting) | Q(organization=None)
        found = UsageProfile.objects.filter(reachable, slug=slug).order_by("organization").first()
        if found is None:
            raise serializers.ValidationError({"profile": ["There is no such usage profile."]})
        return {**body, "profile": found}


class Actors(ManagedView):
    @operation(MANAGE, USAGE_READ, query=shapes.ActorQuery, answer=page_of(shapes.ActorShape))
    def get(self, request: Request) -> Response:
        """The actors of the organization, newest first."""
        fields = {"external_id": "external_id", "group_id": "memberships__group_id"}
        wanted = {fields[name]: value for name, value in self.query.items() if name in fields}
        actors = self.acting.actors.filter(**wanted).select_related("profile")
        sifted = [Q(**{n: self.query[n]}) for n in ("kind", "active") if n in self.query]
        return self.page(actors, shapes.ActorShape, sifted=Q(*sifted) if sifted else None)

    @operation(MANAGE, body=shapes.NewActor, answer=shapes.ActorShape, status=201)
    def post(self, request: Request) -> HttpResponse:
        """A new actor. An active user who takes a new seat brings a share of the allowance, where there is one."""

        def create(body: Body) -> Answer:
            actor = credits_services.create_actor(
                organization=self.acting, **self.stamp, **self.with_profile(body)
            )
            return Answer(201, shapes.ActorShape(actor).data)

        return self.once(create)


class ActorDetail(ManagedView):
    @operation(MANAGE, USAGE_READ, answer=shapes.ActorShape)
    def get(self, request: Request, act_id: UUID) -> Response:
        """An actor."""
        return Response(shapes.ActorShape(self.actor(act_id)).data)

    @operation(MANAGE, body=shapes.ActorChanges, answer=shapes.ActorShape)
    def patch(self, request: Request, act_id: UUID) -> HttpResponse:
        """Change what is named of an actor."""
        actor = self.actor(act_id)
        return self.once(lambda body: self._change(actor, self.with_profile(body)))

    @operation(MANAGE, answer=shapes.ActorShape)
    def delete(self, request: Request, act_id: UUID) -> HttpResponse:
        """Erase an actor for good: its name, email and external id, in histories too. It spends no more; what it did stays."""
        actor = self.actor(act_id)

        def erase(body: Body) -> Answer:
            erased = credits_services.erase_actor(actor=actor, **self.stamp)
            return Answer(200, shapes.ActorShape(erased).data)

        return self.once(erase)

    def _change(self, actor: Actor, changes: dict[str, Any]) -> Answer:
        changed = credits_services.update_actor(actor=actor, changes=changes, **self.stamp)
        return Answer(200, shapes.ActorShape(changed).data)


class Groups(ManagedView):
    @operation(MANAGE, USAGE_READ, query=shapes.GroupQuery, answer=page_of(shapes.GroupShape))
    def get(self, request: Request) -> Response:
        """The groups of the organization with their members, newest first."""
        kind, key = self.query.get("kind"), self.query.get("key")
        rows = self.acting.groups.all()
        if key is not None:
            rows = rows.filter(kind__in=[kind] if kind else Group.Kind.values, key=key)
        members = Membership.objects.filter(group=OuterRef("pk")).order_by().values("group")
        count = Subquery(members.annotate(count=Count("pk")).values("count"))
        first = Actor.objects.order_by("id")[: shapes.MAX_MEMBERS]
        return self.page(
            rows.select_related("profile")
            .annotate(member_count=Coalesce(count, 0))
            .prefetch_related(Prefetch("members", first, to_attr="first_members")),
            shapes.GroupShape,
            sifted=None if kind is None else Q(kind=kind),
        )

    @operation(MANAGE, body=shapes.NewGroup, answer=shapes.GroupShape, status=201)
    def post(self, request: Request) -> HttpResponse:
        """A new group: a team, whose limit applies to each member, or an entity group, one bucket for all."""

        def create(body: Body) -> Answer:
            group = groups.create_group(
                organization=self.acting, **self.stamp, **self.with_profile(body)
            )
            return Answer(201, shapes.GroupShape(group).data)

        return self.once(create)


class GroupDetail(ManagedView):
    @operation(MANAGE, USAGE_READ, answer=shapes.GroupShape)
    def get(self, request: Request, grp_id: UUID) -> Response:
        """A group with its members."""
        return Response(shapes.GroupShape(self.group(grp_id)).data)

    @operation(MANAGE, body=shapes.GroupChanges, answer=shapes.GroupShape)
    def patch(self, request: Request, grp_id: UUID) -> HttpResponse:
        """Change what is named of a group."""
        group = self.group(grp_id)

        def change(body: Body) -> Answer:
            changes = self.with_profile(body)
            changed = groups.update_group(group=group, changes=changes, **self.stamp)
            return Answer(200, shapes.GroupShape(changed).data)

        return self.once(change)

    @operation(MANAGE, answer=shapes.GoneShape)
    def delete(self, request: Request, grp_id: UUID) -> HttpResponse:
        """Delete a group that no work was counted against."""
        group = self.group(grp_id)

        def delete(body: Body) -> Answer:
            gone = {"id": group.public_id, "deleted": True}
            groups.delete_group(group=group, performed_by=self.author)
            return Answer(200, gone)

        return self.once(delete)


class Member(ManagedView):
    @operation(MANAGE, answer=shapes.GroupShape)
    def put(self, request: Request, grp_id: UUID, act_id: UUID) -> HttpResponse:
        """Make an actor a member; a member stays one."""
        group, actor = self.group(grp_id), self.actor(act_id)

        def add(body: Body) -> Answer:
            groups.add_member(group=group, actor=actor, performed_by=self.author)
            return Answer(200, shapes.GroupShape(group).data)

        return self.once(add)

    @operation(MANAGE, answer=shapes.GroupShape)
    def delete(self, request: Request, grp_id: UUID, act_id: UUID) -> HttpResponse:
        """End a membership; who is none stays none."""
        group, actor = self.group(grp_id), self.actor(act_id)

        def remove(body: Body) -> Answer:
            groups.remove_member(group=group, actor=actor, performed_by=self.author)
            return Answer(200, shapes.GroupShape(group).data)

        return self.once(remove)
