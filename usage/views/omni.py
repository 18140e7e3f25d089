"""The doors of the Omni contract: an organization's thresholds, its limits, and what was used of them."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from credits.periods import Period, month_of
from organizations import pagination
from organizations.doors import ApiView, Body, operation
from organizations.idempotency import Answer
from organizations.models import Actor, Group
from organizations.scopes import MANAGE
from usage.models import Limit
from usage.serializers import omni as shapes
from usage.services import controls, subjects, used

door = partial(operation, MANAGE, rate="omni")
"""An operation of this contract."""
reading = partial(door, idempotency="ignored")
"""One that is a POST only to have room for its ids."""


class OmniView(ApiView):
    """What the doors of this contract share: its errors, and that there is nothing to control without AI."""

    envelope = "omni"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        controls.require_ai_enabled(self.acting, now=self.now)

    @property
    def author(self) -> dict[str, Any]:
        """Who changes something, and when."""
        return {"performed_by": self.principal.key.public_id, "now": self.now}


class CreditControls(OmniView):
    def shape(self, found: controls.Controls) -> dict[str, Any]:
        return dict(shapes.CreditControlsShape(found, context={"to_child": self.to_child}).data)

    @door(answer=shapes.CreditControlsShape)
    def get(self, request: Request) -> Response:
        """The thresholds and default limits of the organization, and what it used this month."""
        found = controls.controls_of(self.acting, now=self.now)
        return Response(self.shape(found))

    @door(body=shapes.UpdateCreditControls, answer=shapes.CreditControlsShape)
    def patch(self, request: Request) -> HttpResponse:
        """Change them: a number sets, null turns off, what is not sent stays."""

        def update(body: Body) -> Answer:
            changed = controls.update_controls(
                organization=self.acting, changes=body, **self.author
            )
            return Answer(200, self.shape(changed))

        return self.once(update)


class BulkView(OmniView):
    """What the doors share that hear of many users or groups at once."""

    max_body_bytes: ClassVar[int] = 2 * 1024 * 1024

    def records(
        self,
        rows: QuerySet[Limit],
        shape: type[serializers.Serializer],
        *,
        by: str,
        sifted: Q | None = None,
    ) -> Response:
        """Answer one page of limits, by ascending id of their subjects. Of how many there are the contract tells in all."""
        size = self.query["page_size"]
        limits, cursor = pagination.page(
            rows,
            limit=size,
            cursor=self.query.get("cursor"),
            by=by,
            ascending=True,
            list_name=type(self).__name__,
            sifted=sifted,
        )
        counted = rows if sifted is None else rows.filter(sifted)
        info = {
            "hasNextPage": cursor is not None,
            "nextCursor": cursor,
            "pageSize": size,
            "totalRecords": counted.count(),
        }
        return Response({"pageInfo": info, "records": shape(limits, many=True).data})

    @property
    def of_groups(self) -> QuerySet[Limit]:
        """The limits of all groups, in the order of an index: those without an actor, by their group."""
        return self.acting.limits.filter(scope=Limit.Scope.GROUP, actor=None)

    def change(
        self,
        service: Callable[..., list[controls.Effective]],
        name: str,
        shape: type[serializers.Serializer],
    ) -> HttpResponse:
        """Change the limits that the body names under `name`, all or none, and answer what applies now."""

        def change(body: Body) -> Answer:
            changed = service(organization=self.acting, changes=body[name], **self.author)
            return Answer(200, shape({name: changed}).data)

        return self.once(change)


def _usage(
    found: Sequence[Actor] | Sequence[Group], amounts: Sequence[Decimal]
) -> list[dict[str, Any]]:
    pairs = zip(found, amounts, strict=True)
    return [{"subject": subject, "used": amount} for subject, amount in pairs]


class UserLimits(BulkView):
    @door(query=shapes.LimitQuery, answer=shapes.records_of(shapes.UserLimitShape))
    def get(self, request: Request) -> Response:
        """The users that have a limit of their own; null is an explicit one without end."""
        rows = self.acting.limits.filter(scope=Limit.Scope.ACTOR)
        return self.records(rows, shapes.UserLimitShape, by="actor_id")

    @door(body=shapes.UpdateUserLimits, answer=shapes.UserLimitsShape)
    def patch(self, request: Request) -> HttpResponse:
        """Give users limits of their own, or the default again: all of them, or none."""
        return self.change(controls.limit_users, "users", shapes.UserLimitsShape)


class EntityGroupLimits(BulkView):
    @door(query=shapes.LimitQuery, answer=shapes.records_of(shapes.EntityGroupLimitShape))
    def get(self, request: Request) -> Response:
        """The entity groups that have a limit of their own, by the id of the group."""
        rows = self.of_groups.select_related("group")
        is_entity = Q(group__kind=Group.Kind.ENTITY)
        return self.records(rows, shapes.EntityGroupLimitShape, by="group_id", sifted=is_entity)

    @door(body=shapes.UpdateEntityGroupLimits, answer=shapes.EntityGroupLimitsShape)
    def patch(self, request: Request) -> HttpResponse:
        """Limit entity groups, each one bucket for all its members, or give them the default again."""
        return self.change(
            controls.limit_entity_groups, "entityGroups", shapes.EntityGroupLimitsShape
        )


class UserGroupLimits(BulkView):
    @door(query=shapes.LimitQuery, answer=shapes.records_of(shapes.UserGroupLimitShape))
    def get(self, request: Request) -> Response:
        """The user groups that have a limit of their own, which applies to each member."""
        is_team = Q(group__kind=Group.Kind.TEAM)
        return self.records(
            self.of_groups, shapes.UserGroupLimitShape, by="group_id", sifted=is_team
        )

    @door(body=shapes.UpdateUserGroupLimits, answer=shapes.UserGroupLimitsShape)
    def patch(self, request: Request) -> HttpResponse:
        """Limit each member of user groups, or give the groups the default again."""
        return self.change(controls.limit_user_groups, "userGroups", shapes.UserGroupLimitsShape)


class UserUsage(BulkView):
    @reading(body=shapes.AskUserUsage, answer=shapes.UserUsageShape)
    def post(self, request: Request) -> Response:
        """What users used this month, in the order in which they are named."""
        users = subjects.users(self.acting, self.body()["userIds"])
        month = month_of(self.now)
        amounts = used.of_users(self.acting, users, month)
        return Response(
            shapes.UserUsageShape({"month": month, "users": _usage(users, amounts)}).data
        )


class EntityGroupUsage(BulkView):
    @reading(body=shapes.AskEntityGroupUsage, answer=shapes.EntityGroupUsageShape)
    def post(self, request: Request) -> Response:
        """What was drawn from entity groups this month, in the order in which they are named."""
        groups = subjects.entity_groups(self.acting, self.body()["entities"])
        month = month_of(self.now)
        amounts = used.of_entity_groups(self.acting, groups, month)
        told = {"month": month, "entityGroups": _usage(groups, amounts)}
        return Response(shapes.EntityGroupUsageShape(told).data)


class UserGroupUsage(BulkView):
    @reading(body=shapes.AskUserGroupUsage, answer=shapes.UserGroupUsageShape)
    def post(self, request: Request) -> Response:
        """What the present members of user groups used in a month, in the order in which they are named."""
        body = self.body()
        month = self._past_or_present(body.get("period"))
        groups = subjects.user_groups(self.acting, body["userGroupIds"])
        amounts = used.of_user_groups(self.acting, groups, month)
        told = {"month": month, "userGroups": _usage(groups, amounts)}
        return Response(shapes.UserGroupUsageShape(told).data)

    def _past_or_present(self, month: Period | None) -> Period:
        """Return the month that is asked for, or the current one.

        :raises ValidationError: if it has not begun
        """
        if month is not None and month.starts_at > self.now:
            raise serializers.ValidationError({"period": ["This month has not begun."]})
        return month or month_of(self.now)
