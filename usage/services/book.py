"""What decides about an organization's spending, at one version: what was read of it at once, and whatever is looked up besides.

What is kept was true at the book's version: the version is read before the rows, and what is looked up later is kept only if the version
is still the same after it. A version is random and never comes again. That something does not exist is kept only where making it would
raise a version: that an actor has no limit, but not that there is no such actor.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar, cast
from uuid import UUID

from credits.models import CreditConfig, Wallet
from organizations.models import Actor, Group, Membership, Organization, UsageProfile
from organizations.recent import Recent
from organizations.statements import read_one
from usage.models import AIModel, Thresholds
from usage.services import limits, markups, names, rates

Kind = TypeVar("Kind")
Id = TypeVar("Id", bound=Hashable)

ENTRIES = 50_000
"""How many actors, groups and caps it keeps besides, of all of them together: 1 to 2 kB each."""

_VERSIONS = """
    SELECT w.id, w.terms_version, p.terms_version, c.version
    FROM credits_wallet w
        JOIN organizations_organization o ON o.id = w.organization_id
        LEFT JOIN credits_wallet p ON p.organization_id = o.parent_id
        CROSS JOIN credits_catalogue c
    WHERE w.organization_id = %s"""
_MISSING = object()


class Versions(NamedTuple):
    """At which version terms were read: the organization's, its parent's, and the catalogue's."""

    wallet: UUID
    parent: UUID | None
    catalogue: UUID


def _exists(value: object) -> bool:
    """Keep what is there: that there is nothing is asked every time."""
    return value is not None


def _is_active(actor: Actor | None) -> bool:
    """Keep an actor who may work."""
    return actor is not None and actor.active


def _anything(value: object) -> bool:
    """Keep whatever was found, also that there is nothing: making it would raise a version."""
    return True


class Book:
    """What decides about an organization's spending, at one version. What is in it belongs to many threads: nobody changes it."""

    def __init__(
        self,
        versions: Versions,
        wallet_id: UUID,
        organization: Organization,
        config: CreditConfig,
        catalogue: Recent[Hashable, Any],
        *,
        customer: Sequence[markups.Rule] = (),
    ) -> None:
        self.versions = versions
        # Of what is kept besides, which is looked up often: text is hashed once.
        self._name = str(versions)
        self.wallet_id = wallet_id
        self.organization = organization
        """With whom it depends on, its default profile and its thresholds."""
        found = getattr(organization, "thresholds", None)
        self.thresholds: Thresholds = found or Thresholds(organization=organization)
        """Those that it has, or some that say nothing: made now, for threads that share it would find beside the organization what another one has
        half made."""
        self.config = config
        self._catalogue = catalogue
        self._customer = customer

    def is_current(self) -> bool:
        """Whether nothing was changed since it was read: one look at the database."""
        return versions_of(self.organization.id)[1] == self.versions

    def actor(self, id: UUID) -> Actor | None:
        """Return an actor of the organization, if there is one. That one is not active is never kept."""

        def read() -> Actor | None:
            actors = Actor.objects.filter(organization=self.organization)
            return actors.select_related("profile").filter(id=id).first()

        return self._own(("actor", id), read, keeps=_is_active)

    def actor_called(self, external_id: str) -> Actor | None:
        """Return the actor of the organization that the product calls so, if there is one; kept as `actor` is."""

        def read() -> Actor | None:
            actors = Actor.objects.filter(organization=self.organization)
            return actors.select_related("profile").filter(external_id=external_id).first()

        return self._own(("actor called", external_id), read, keeps=_is_active)

    def actors_called(self, external_ids: Iterable[str]) -> dict[str, UUID]:
        """Return the ids of those actors that there are, by what the product calls them."""

        def read(missing: list[str]) -> dict[str, UUID]:
            own = Actor.objects.filter(organization=self.organization, external_id__in=missing)
            return {name: id for name, id in own.values_list("external_id", "id") if name}

        return self._look_up_all(
            _entries, lambda name: (self._name, "id of actor", name), external_ids, read
        )

    def actor_terms(self, id: UUID) -> limits.ActorTerms | None:
        """Return what applies to an actor of the organization, if there is one."""
        return self._own(("terms", id), lambda: self._terms_of(self.actor(id)))

    def group(self, key: str) -> Group | None:
        """Return the entity group of this key, if there is one."""

        def read() -> Group | None:
            groups = Group.objects.filter(organization=self.organization, kind=Group.Kind.ENTITY)
            return groups.filter(key=key).first()

        return self._own(("group", key), read)

    def group_cap(self, group: Group) -> limits.Cap:
        """Return the shared cap of an entity group."""

        def read() -> limits.Cap:
            return limits.entity_group_caps([group])[group.id]

        return self._own(("group cap", group.id), read, keeps=_anything)

    def resource_cap(self, resource_type: str, resource_id: str) -> limits.Cap:
        """Return the budget of an app or dataset, if it has one."""

        def read() -> limits.Cap:
            return limits.resource_cap(self.organization, resource_type, resource_id)

        return self._own(("resource cap", resource_type, resource_id), read, keeps=_anything)

    def model(self, slug: str) -> AIModel | None:
        """Return the model that a name means, if it means one."""
        return self._shared(("model", slug), lambda: names.resolve([slug]).get(slug))

    def fallback(self, provider: str) -> AIModel | None:
        """Return the fallback of a provider, if it has one."""

        def read() -> AIModel | None:
            return AIModel.objects.filter(provider=provider, is_fallback=True).first()

        return self._shared(("fallback", provider), read, keeps=_anything)

    def cards(self, models: Iterable[AIModel]) -> rates.Cards:
        """Return the cards of these models as they are for this organization, also those that begin later."""
        by_slug = {model.slug: model for model in models}

        def read(missing: list[str]) -> rates.Cards:
            return rates.cards_of([by_slug[slug] for slug in missing], customer=self._customer)

        if self._customer:
            return self._look_up_all(
                _entries, lambda slug: (self._name, "cards", slug), by_slug, read
            )
        return self._look_up_all(self._catalogue, lambda slug: ("cards", slug), by_slug, read)

    def factor(self, model: AIModel, moment: datetime) -> Decimal:
        """Return by what the prices of a model are multiplied for this organization at a moment."""
        rules = (*self._customer, *markups.of_all())
        return markups.factor_at((rule for rule in rules if rule.is_of(model)), moment)

    def models(self, slugs: Iterable[str]) -> dict[str, AIModel]:
        """Return the models that these names mean, of those that mean one."""
        return self._look_up_all(
            self._catalogue, lambda slug: ("model", slug), slugs, names.resolve
        )

    def sellers(self, provider: str, unit: str) -> list[AIModel]:
        """Return the models of a provider that have, or had, a price of a unit."""

        def read() -> list[AIModel]:
            return list(AIModel.objects.filter(provider=provider, rates__unit=unit).distinct())

        return self._shared(("sellers", provider, unit), read, keeps=_anything)

    def groups(self, keys: Iterable[str]) -> dict[str, Group]:
        """Return those of these entity groups that there are, by their keys."""

        def read(missing: list[str]) -> dict[str, Group]:
            groups = Group.objects.filter(organization=self.organization, kind=Group.Kind.ENTITY)
            return {group.key: group for group in groups.filter(key__in=missing)}

        return self._look_up_all(_entries, lambda key: (self._name, "group", key), keys, read)

    def entity_groups(self, actor_ids: Iterable[UUID]) -> dict[UUID, UUID | None]:
        """Return the entity group of each of these actors; of nobody else's, and of nobody who is not there."""

        def read(missing: list[UUID]) -> dict[UUID, UUID | None]:
            own = Actor.objects.filter(organization=self.organization, id__in=missing)
            found: dict[UUID, UUID | None] = dict.fromkeys(own.values_list("id", flat=True))
            of_entity = Membership.objects.filter(
                actor__in=list(found), group__kind=Group.Kind.ENTITY
            )
            return found | dict(of_entity.values_list("actor_id", "group_id"))

        return self._look_up_all(
            _entries, lambda id: (self._name, "entity group", id), actor_ids, read
        )

    def _terms_of(self, actor: Actor | None) -> limits.ActorTerms | None:
        if actor is None:
            return None
        default = self.organization.default_profile or self._standard_profile()
        return limits.actor_terms(self.organization, [actor], default=default)[actor.id]

    def _standard_profile(self) -> UsageProfile:
        return self._shared("standard", limits.standard_profile)

    def _own(
        self,
        key: tuple[Hashable, ...],
        read: Callable[[], Kind],
        keeps: Callable[[Kind], bool] = _exists,
    ) -> Kind:
        return self._look_up(_entries, (self._name, *key), read, keeps)

    def _shared(
        self, key: Hashable, read: Callable[[], Kind], keeps: Callable[[Kind], bool] = _exists
    ) -> Kind:
        return self._look_up(self._catalogue, key, read, keeps)

    def _look_up(
        self,
        kept: Recent[Hashable, Any],
        key: Hashable,
        read: Callable[[], Kind],
        keeps: Callable[[Kind], bool],
    ) -> Kind:
        found = kept.get(key, _MISSING)
        if found is not _MISSING:
            return cast(Kind, found)
        value = read()
        if keeps(value) and self.is_current():
            kept.put(key, value)
        return value

    def _look_up_all(
        self,
        kept: Recent[Hashable, Any],
        key_of: Callable[[Id], Hashable],
        ids: Iterable[Id],
        read: Callable[[list[Id]], dict[Id, Kind]],
    ) -> dict[Id, Kind]:
        """Look many things of one kind up: what is not kept is read at once, and what is not there is not in the answer."""
        found = {id: kept.get(key_of(id), _MISSING) for id in ids}
        missing = [id for id, value in found.items() if value is _MISSING]
        values = read(missing) if missing else {}
        if values and self.is_current():
            for id, value in values.items():
                kept.put(key_of(id), value)
        there = {id: value for id, value in found.items() if value is not _MISSING}
        return cast(dict[Id, Kind], there) | values


def versions_of(organization_id: UUID) -> tuple[UUID, Versions]:
    """Return the id of an organization's wallet, and the versions of now.

    :raises Wallet.DoesNotExist: if it has none
    """
    row = read_one(_VERSIONS, [organization_id])
    if row is None:
        raise no_wallet(organization_id)
    wallet_id, *versions = row
    return wallet_id, Versions(*versions)


def no_wallet(organization_id: UUID) -> Wallet.DoesNotExist:
    return Wallet.DoesNotExist(f"organization {organization_id} has no wallet")


_entries: Recent[Hashable, Any] = Recent(ENTRIES)
