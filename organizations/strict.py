"""What a request says as a whole, read to the letter: a body or a query whose every field is known. The fields are in `organizations.fields`."""

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import QueryDict
from rest_framework import serializers

MAX_NAME = 100
"""How much of the name of an unknown field is told."""
UNKNOWN = "This field is not known here."


class StrictSerializer(serializers.Serializer):
    """The body of a request. A field that it does not declare is an error."""

    at_least_one = False
    """Whether a body without any field is an error."""
    body_required = True
    """Whether no body at all is an error, rather than one without any field."""

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """Return what `data` says, validated.

        :raises ValidationError: if it is not what the fields declare
        """
        return dict(_reader(cls).run_validation(data))

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if type(data) is not dict or self.validators:
            return super().run_validation(data)
        # What the base class does with an object where no validator is declared.
        values = self.to_internal_value(data)
        try:
            return self.validate(values)
        except (serializers.ValidationError, DjangoValidationError) as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from error

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        unknown = sorted(data.keys() - self.fields.keys())
        if unknown:
            raise serializers.ValidationError({name[:MAX_NAME]: [UNKNOWN] for name in unknown})
        if self.at_least_one and not data:
            missing = {"non_field_errors": ["At least one field is required."]}
            raise serializers.ValidationError(missing)
        values, errors = {}, {}
        for name, field, speaks, unsaid, check in self._plan:
            if name in data or speaks:
                if unsaid is not None and name not in data:
                    values[field.source] = unsaid
                    continue
                try:
                    value = field.run_validation(data.get(name, serializers.empty))
                    values[field.source] = check(value) if check else value
                except serializers.ValidationError as error:
                    errors[name] = error.detail
                except serializers.SkipField:
                    pass
        if errors:
            raise serializers.ValidationError(errors)
        return values

    @cached_property
    def _plan(self) -> list["_Planned"]:
        """The fields that are read, each with whether it speaks where it is left out (it has a default, or is required), with what it says
        then, and with its `validate_…`: what the base class looks up anew for every request."""
        fields = {name: field for name, field in self.fields.items() if not field.read_only}
        assert not any("." in (field.source or "") for field in fields.values())
        return [
            _Planned(
                name,
                field,
                field.required or field.default is not serializers.empty,
                _unsaid(field) if not hasattr(self, f"validate_{name}") else None,
                getattr(self, f"validate_{name}", None),
            )
            for name, field in fields.items()
        ]


class _Planned(NamedTuple):
    name: str
    field: serializers.Field
    speaks: bool
    unsaid: Any
    """Its value where it is left out, if that is always the same one and not null."""
    check: Callable[[Any], Any] | None


def _unsaid(field: serializers.Field) -> Any:
    """Return what a field says where it is left out, if that is text, a number or a time."""
    if not isinstance(field.default, str | int) or getattr(field.root, "partial", False):
        return None
    return field.run_validation(serializers.empty)


class StrictQuery(StrictSerializer):
    """The query of a request: each parameter known, and given once."""

    @classmethod
    def of(cls, query: QueryDict) -> dict[str, Any]:
        """Return what a query string says, validated.

        :raises ValidationError: if a parameter is given twice, or not what the fields declare
        """
        repeated = [name for name, values in query.lists() if len(values) > 1]
        if repeated:
            raise serializers.ValidationError(
                {name: ["Given more than once."] for name in repeated}
            )
        return cls.read(query.dict())


@cache
def _reader(kind: type[StrictSerializer]) -> StrictSerializer:
    """Return the one instance that reads what is sent: a new one would copy all of its fields. Nothing of a request stays in it."""
    reader = kind()
    assert reader._plan is not None
    return reader
