"""Which model a name means: its id, a name that staff gave it, or one that the price list matches, like a dated snapshot."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from django.db.models import Q
from genai_prices.data import providers
from genai_prices.data_snapshot import find_provider_by_id
from genai_prices.types import ModelInfo, Provider

from usage.models import AIModel
from usage.services.price_list import slug_of
from usage.services.rate_card import InvalidRateCard, PriceList, keep_unsaid

KEPT = 4_096
"""What so many names mean is kept: whoever sends more different ones has them matched again."""
_OWNERS = {id(info): provider for provider in providers for info in provider.models}
_DATED = re.compile(
    r"(.+?)(?:[-@](?:20\d{2}-?\d{2}-?\d{2}|latest))?(?:-v\d+)?(?::\d+)?", re.IGNORECASE
)
"""A name, and after it the day of a snapshot, or the version of who serves it: `-2024-07-18`, `-20241022-v2:0`, `@20250929`."""


class Meaning(NamedTuple):
    """A model that a name may mean: its id, and whose it has to be, if that was said."""

    slug: str
    provider: str = ""


def resolve(names: Iterable[str]) -> dict[str, AIModel]:
    """Return the model that each of these names means, of those that mean one: found by one query."""
    meanings = {name: meant(name) for name in names}
    slugs = {meaning.slug for each in meanings.values() for meaning in each}
    found = AIModel.objects.filter(Q(slug__in=slugs) | Q(aliases__overlap=list(meanings)))
    models = {model.slug: model for model in found}
    called = {alias: model for model in models.values() for alias in model.aliases}
    chosen = {name: _chosen(name, each, models, called) for name, each in meanings.items()}
    return {name: model for name, model in chosen.items() if model is not None}


def taken(model: AIModel) -> str | None:
    """Return why a model may not be called by its id and its aliases, in words; None if it may."""
    names = [model.slug, *model.aliases]
    others = AIModel.objects.exclude(slug=model.slug)
    clashing = others.filter(Q(slug__in=model.aliases) | Q(aliases__overlap=names))
    return problem_of([model, *clashing.order_by("slug")])


def require_own(wanted: PriceList) -> None:
    """Refuse a list whose models would be called as others are.

    :raises InvalidRateCard: naming both
    """
    keep_unsaid(wanted.models)
    others = AIModel.objects.exclude(slug__in=[model.slug for model in wanted.models])
    problem = problem_of([*wanted.models, *others.order_by("slug")])
    if problem is not None:
        raise InvalidRateCard(problem)


def problem_of(models: Iterable[AIModel]) -> str | None:
    """Return which name two models have, in words; None if each has its own."""
    models = list(models)
    owners = {model.slug: model.slug for model in models}
    for model in models:
        for alias in model.aliases:
            owner = owners.setdefault(alias, model.slug)
            if owner == alias:
                return f"{alias} is the id of a model, and no alias of {model.slug}"
            if owner != model.slug:
                return f"{alias} is an alias of {owner}, and none of {model.slug}"
    return None


def _chosen(
    name: str,
    meanings: Iterable[Meaning],
    models: Mapping[str, AIModel],
    called: Mapping[str, AIModel],
) -> AIModel | None:
    exact = models.get(name) or called.get(name)
    if exact is not None:
        return exact
    for slug, provider in meanings:
        model = models.get(slug)
        if model is not None and provider in ("", model.provider):
            return model
    return None


@lru_cache(KEPT)
def meant(name: str) -> tuple[Meaning, ...]:
    """Return what a name may mean, most likely first: itself; of `azure/gpt-4o` the model that Azure sells, then that of its maker; and
    what is left of it without the day of a snapshot."""
    return tuple(dict.fromkeys([Meaning(name), *_matched(name), Meaning(_undated(name))]))


def _matched(name: str) -> Iterator[Meaning]:
    prefix, _, rest = name.partition("/")
    if rest:
        seller = find_provider_by_id(providers, prefix)
        if seller is not None:
            yield from _of(seller, rest)
        for each in (rest, _undated(rest)):
            yield Meaning(each, seller.id if seller else prefix)
        if seller is not None:
            yield from meant(rest)
        return
    yield from _by_maker(name)
    yield from _dotted(name)


def _by_maker(name: str) -> Iterator[Meaning]:
    for provider in providers:
        if provider.model_match is not None and provider.model_match.is_match(name.lower()):
            yield from _of(provider, name)


def _dotted(name: str) -> Iterator[Meaning]:
    """Return what names like `eu.anthropic.claude-sonnet-4-5-20250929-v1:0` mean: those of Bedrock, with the maker in them."""
    parts = name.split(".")
    for number, part in enumerate(parts[:-1]):
        maker = next((each for each in providers if each.id == part.lower()), None)
        if maker is not None:
            rest = ".".join(parts[number + 1 :])
            for each in dict.fromkeys([rest, _undated(rest)]):
                yield from _of(maker, each)
            yield Meaning(_undated(rest), maker.id)


def _of(provider: Provider, name: str) -> Iterator[Meaning]:
    """Return the model that the list finds among those of a provider, or of whom it serves."""
    info: ModelInfo | None = provider.find_model(name, all_providers=providers)
    if info is not None:
        owner = _OWNERS.get(id(info), provider)
        yield Meaning(slug_of(owner, info), owner.id)


def _undated(name: str) -> str:
    found = _DATED.fullmatch(name)
    return found[1] if found else name
