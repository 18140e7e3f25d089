"""What several shapes share: references of payments and orders, and texts that are only said where there are some."""

from typing import Any

from rest_framework import serializers
from rest_framework.fields import SkipField

from organizations.fields import (
    StrictChar,
)

ONCE_FOR_EVER = "Used again for the same it answers what was done, and moves nothing; for anything else it is a conflict."


class GivenText(serializers.CharField):
    """Text that is only said where somebody gave it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)

    def get_attribute(self, instance: Any) -> Any:
        text = super().get_attribute(instance)
        if not text:
            raise SkipField
        return text


class ReferenceField(StrictChar):
    """The id of a payment or an order, kept and compared to the letter."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 255, "required": False} | options)
