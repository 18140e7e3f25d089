"""A rate is the price of one unit: last, the columns of before go, and what must hold is said."""

from django.db import migrations, models
from django.db.models import Q

import usage.models

GONE = (
    *("input", "cached_input", "cache_write", "output", "reasoning", "per_request", "per_unit"),
    *("input_includes_cached", "output_includes_reasoning"),
)


class Migration(migrations.Migration):
    dependencies = [("usage", "0010_rates_by_unit")]

    operations = [
        *(
            migrations.RemoveField(model_name=model, name=name)
            for model in ("rate", "historicalrate")
            for name in GONE
        ),
        *(
            migrations.AlterField(
                model_name=model,
                name="unit",
                field=models.CharField(max_length=40, choices=usage.models.unit_choices),
            )
            for model in ("rate", "historicalrate")
        ),
        migrations.AddConstraint(
            model_name="rate",
            constraint=models.UniqueConstraint(
                fields=["model", "starts_at", "unit", "variant", "hours", "prompt_tokens_from"],
                name="rate_one_per_step",
            ),
        ),
        migrations.AddConstraint(
            model_name="rate",
            constraint=models.CheckConstraint(
                name="rate_not_negative", condition=Q(amount__gte=0)
            ),
        ),
        migrations.AddConstraint(
            model_name="rate",
            constraint=models.CheckConstraint(name="rate_of_a_unit", condition=~Q(unit="")),
        ),
    ]
