"""What ties members to their groups, and the two usage profiles that everybody starts with.

A membership repeats its group's organization and kind; composite foreign keys keep them equal, so that nobody is a member across
organizations and the constraint of one entity group per actor sees the kind.
"""

from datetime import UTC, datetime
from uuid import UUID

from django.db import migrations

FORWARD = """
ALTER TABLE organizations_membership
    ADD CONSTRAINT membership_group_fits FOREIGN KEY (group_id, organization_id, kind)
        REFERENCES organizations_group (id, organization_id, kind),
    ADD CONSTRAINT membership_actor_fits FOREIGN KEY (actor_id, organization_id)
        REFERENCES organizations_actor (id, organization_id);
"""
BACKWARD = """
ALTER TABLE organizations_membership
    DROP CONSTRAINT membership_group_fits, DROP CONSTRAINT membership_actor_fits;
"""
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
PROFILES = [
    {
        "id": UUID("019b7600-0000-7000-8000-000000000001"),
        "name": "Standard",
        "slug": "standard",
        "description": "For everybody: everyday and advanced models.",
        "credit_cap_per_month": 5000,
        "allowed_model_tiers": ["everyday", "advanced"],
    },
    {
        "id": UUID("019b7600-0000-7000-8000-000000000002"),
        "name": "Premium",
        "slug": "premium",
        "description": "Every model, without a cap of its own.",
        "credit_cap_per_month": None,
        "allowed_model_tiers": ["everyday", "advanced", "strategic"],
    },
]


def seed(apps, schema_editor):
    profiles = apps.get_model("organizations", "UsageProfile")
    for profile in PROFILES:
        profiles.objects.create(created_at=SINCE, updated_at=SINCE, **profile)


def unseed(apps, schema_editor):
    ids = [profile["id"] for profile in PROFILES]
    apps.get_model("organizations", "UsageProfile").objects.filter(id__in=ids).delete()


class Migration(migrations.Migration):
    dependencies = [("organizations", "0002_one_level")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD), migrations.RunPython(seed, unseed)]
