"""What the tables that the path of a request writes are made of: their rules, in one function each."""

from django.db import models
from django.db.models import Func


def rules(function: str, *columns: str) -> models.CheckConstraint:
    """Return the constraint that a function of the database finds no rule broken in a row; each rule refuses by its own name.

    For tables that the path of a request writes: PostgreSQL reads each CHECK anew for each statement, and keeps a function. The
    rules stand in the app's `migrations/sql/<function>.sql`.
    """
    finds_nothing = Func(*columns, function=function, output_field=models.BooleanField())
    return models.CheckConstraint(
        name=function.partition("_")[2].rpartition("_")[0], condition=finds_nothing
    )
