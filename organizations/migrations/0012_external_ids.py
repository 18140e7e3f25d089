"""What its parent calls an organization: exact, its own among those beside it that are not archived, and found by its words."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0011_erase_a_person'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='organization',
            name='organization_words',
        ),
        migrations.AddField(
            model_name='historicalorganization',
            name='external_id',
            field=models.CharField(blank=True, max_length=128, null=True),
        ),
        migrations.AddField(
            model_name='organization',
            name='external_id',
            field=models.CharField(blank=True, max_length=128, null=True),
        ),
        migrations.AddIndex(
            model_name='organization',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('name', 'billing_email', 'external_id', config='simple'), name='organization_words'),
        ),
        migrations.AddIndex(
            model_name='organization',
            index=models.Index(condition=models.Q(('external_id__isnull', False)), fields=['parent', 'external_id', '-id'], name='organization_by_external_id'),
        ),
        migrations.AddConstraint(
            model_name='organization',
            constraint=models.UniqueConstraint(condition=models.Q(('external_id__isnull', False), models.Q(('status', 'archived'), _negated=True)), fields=('parent', 'env', 'external_id'), name='organization_one_per_external_id', nulls_distinct=False),
        ),
        migrations.RunSQL(
            ["""CREATE TRIGGER organization_exact_external_id BEFORE INSERT OR UPDATE OF external_id ON organizations_organization
            FOR EACH ROW EXECUTE FUNCTION organizations_exact_names_1('external_id')"""],
            ["DROP TRIGGER organization_exact_external_id ON organizations_organization"],
        ),
    ]
