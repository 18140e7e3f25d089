"""A rate is the price of one unit: first the columns for it, beside those of before."""

from django.db import migrations, models

import usage.models


def column(name, field):
    return [
        migrations.AddField(model_name=model, name=name, field=field)
        for model in ("rate", "historicalrate")
    ]


def of_the_model(name, default, help_text):
    return [
        migrations.AddField(
            model_name=model,
            name=name,
            field=models.BooleanField(default=default, db_default=default, help_text=help_text),
        )
        for model in ("aimodel", "historicalaimodel")
    ]


class Migration(migrations.Migration):
    dependencies = [("usage", "0008_words_of_the_console"), ("credits", "0014_one_admission")]

    operations = [
        *of_the_model(
            "input_includes_cached", False, "The provider's input count contains the cached tokens."
        ),
        *of_the_model(
            "output_includes_reasoning",
            True,
            "The provider's output count contains the reasoning tokens.",
        ),
        *column(
            "unit", models.CharField(max_length=40, default="", choices=usage.models.unit_choices)
        ),
        *column("variant", models.CharField(max_length=40, blank=True, default="", db_default="")),
        *column(
            "hours",
            models.CharField(
                max_length=11,
                blank=True,
                default="",
                db_default="",
                validators=[usage.models.require_hours],
            ),
        ),
        *column(
            "amount",
            usage.models.PriceField(
                null=True,
                blank=True,
                max_digits=34,
                decimal_places=20,
                help_text="Empty: work is refused.",
            ),
        ),
        *column("at_least", models.PositiveIntegerField(default=0, db_default=0)),
        migrations.RemoveConstraint(model_name="rate", name="rate_one_per_band"),
        migrations.RemoveConstraint(model_name="rate", name="rate_prices_not_negative"),
        migrations.RemoveConstraint(model_name="rate", name="rate_priced_as_a_whole"),
    ]
