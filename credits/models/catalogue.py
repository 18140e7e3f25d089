"""The version of what is the same for every organization: models, their prices, the system's usage profiles."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q


class Catalogue(models.Model):
    """One row that says at which version the catalogue is. Triggers write it, whoever edits the catalogue."""

    THE_ONE = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=THE_ONE, editable=False)
    version = models.UUIDField(db_default=RandomUUID(), editable=False)

    class Meta:
        verbose_name_plural = "catalogue"
        constraints = [models.CheckConstraint(name="catalogue_is_one_row", condition=Q(id=1))]

    def __str__(self) -> str:
        return str(self.version)
