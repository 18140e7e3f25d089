"""What a column constraint cannot say, and what the database therefore refuses whoever asks: the application, a shell, an admin with psql.

Each guard in prose first, then its SQL; the functions stand in `sql/`. One statement per entry, one subcommand per ALTER TABLE.
"""

from pathlib import Path

from django.db import migrations


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


VERSIONED = {"organization": "", "usageprofile": "", "actor": "", "apikey": "'last_used_at'"}
"""The tables whose rows processes keep, and what may change in a row without a new version of it."""
FORWARD = [
    # One level of parents, for ever: a check constraint sees only its own row. A parent must itself have no parent, and the parent of an
    # organization never changes. Since no root can become a child later, reading the parent's row once, at insert, is enough.
    function("organizations_one_level"),
    """CREATE TRIGGER organization_one_level BEFORE INSERT ON organizations_organization
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL) EXECUTE FUNCTION organizations_one_level()""",
    """CREATE TRIGGER organization_parent_is_fixed BEFORE UPDATE OF parent_id ON organizations_organization
    FOR EACH ROW WHEN (OLD.parent_id IS DISTINCT FROM NEW.parent_id) EXECUTE FUNCTION organizations_one_level()""",
    # Env is a matter of place: a child has its parent's, a key its organization's. Composite foreign keys say so; hence no credits can
    # move between a live wallet and one of a sandbox, since they only move between a parent and its child.
    """ALTER TABLE organizations_organization
    ADD CONSTRAINT organization_env_of_its_parent FOREIGN KEY (parent_id, env)
        REFERENCES organizations_organization (id, env)""",
    """ALTER TABLE organizations_apikey
    ADD CONSTRAINT apikey_env_of_its_organization FOREIGN KEY (organization_id, env)
        REFERENCES organizations_organization (id, env)""",
    # A sandbox is one of a live organization, and a child's is a child of its parent's sandbox: a trigger, at insert. Neither side of
    # that ever changes (a second trigger), so looking once is enough.
    function("organizations_sandbox"),
    """CREATE TRIGGER organization_sandbox_in_its_place BEFORE INSERT ON organizations_organization
    FOR EACH ROW WHEN (NEW.sandbox_of_id IS NOT NULL) EXECUTE FUNCTION organizations_sandbox()""",
    """CREATE TRIGGER organization_sandbox_is_fixed BEFORE UPDATE OF env, sandbox_of_id ON organizations_organization
    FOR EACH ROW WHEN ((OLD.env, OLD.sandbox_of_id) IS DISTINCT FROM (NEW.env, NEW.sandbox_of_id))
    EXECUTE FUNCTION organizations_sandbox()""",
    # A membership repeats its group's organization and kind; composite foreign keys keep them equal, so that nobody is a member across
    # organizations and the constraint of one entity group per actor sees the kind.
    """ALTER TABLE organizations_membership
    ADD CONSTRAINT membership_group_fits FOREIGN KEY (group_id, organization_id, kind)
        REFERENCES organizations_group (id, organization_id, kind)""",
    """ALTER TABLE organizations_membership
    ADD CONSTRAINT membership_actor_fits FOREIGN KEY (actor_id, organization_id)
        REFERENCES organizations_actor (id, organization_id)""",
    # What was proposed stays what it was, and so does what was decided. Only the decision is written, and once: a draft is confirmed, proposed or
    # given up; what waits for a second person is approved or refused, and nothing else. One function guards all tables of what is proposed.
    function("organizations_proposal_is_fixed_1"),
    """CREATE TRIGGER proposal_is_fixed BEFORE UPDATE OR DELETE ON organizations_proposal
    FOR EACH ROW EXECUTE FUNCTION organizations_proposal_is_fixed_1()""",
    """CREATE TRIGGER bulkaction_is_fixed BEFORE UPDATE OR DELETE ON organizations_bulkaction
    FOR EACH ROW EXECUTE FUNCTION organizations_proposal_is_fixed_1()""",
    # What staff did stays written. The log of the admin is append-only, like the ledger. So who left a line in it cannot be deleted
    # either: the deletion of a person would take the lines along.
    # Only what names a person who is erased leaves it, by `organizations_erase_1`.
    function("organizations_append_only"),
    function("organizations_log_append_only"),
    """CREATE TRIGGER logentry_append_only BEFORE UPDATE OR DELETE ON django_admin_log
    FOR EACH ROW EXECUTE FUNCTION organizations_log_append_only()""",
    """CREATE TRIGGER logentry_no_truncate BEFORE TRUNCATE ON django_admin_log
    FOR EACH STATEMENT EXECUTE FUNCTION organizations_append_only()""",
    # A name that is written, or changed, has one spelling: NFKC, no spaces around it, nothing invisible. What was there before stays as it is,
    # also where its row changes, so this cannot be a check constraint. The triggers say which columns are such names.
    function("organizations_is_exact_1"),
    function("organizations_exact_names_1"),
    """CREATE TRIGGER group_exact_key BEFORE INSERT OR UPDATE OF key ON organizations_group
    FOR EACH ROW EXECUTE FUNCTION organizations_exact_names_1('key')""",
    """CREATE TRIGGER actor_exact_external_id BEFORE INSERT OR UPDATE OF external_id ON organizations_actor
    FOR EACH ROW EXECUTE FUNCTION organizations_exact_names_1('external_id')""",
    """CREATE TRIGGER organization_exact_external_id BEFORE INSERT OR UPDATE OF external_id ON organizations_organization
    FOR EACH ROW EXECUTE FUNCTION organizations_exact_names_1('external_id')""",
    # A warning of a budget is about an actor of its own organization.
    """ALTER TABLE organizations_budgetwarning
    ADD CONSTRAINT budgetwarning_actor_fits FOREIGN KEY (actor_id, organization_id)
        REFERENCES organizations_actor (id, organization_id)""",
    # Nothing is reached at 0 %.
    """ALTER TABLE organizations_budgetwarning
    ADD CONSTRAINT budgetwarning_percents_in_range CHECK (0 < ALL (percents) AND 1000 >= ALL (percents))""",
    # For whom something was asked for many at once stays, too.
    function("organizations_bulkitem_is_fixed"),
    """CREATE TRIGGER bulkitem_is_fixed BEFORE UPDATE OR DELETE ON organizations_bulkitem
    FOR EACH ROW EXECUTE FUNCTION organizations_bulkitem_is_fixed()""",
    # A process that keeps a row compares its version, so no change of the row leaves it as it was, and nobody writes it. It is a random
    # one: a counter would give one number to two contents after a failover. These triggers run last, and so see what others made of the row.
    function("organizations_renew_version_1"),
    *[
        f"""CREATE TRIGGER zz_{table}_version BEFORE UPDATE ON organizations_{table}
    FOR EACH ROW EXECUTE FUNCTION organizations_renew_version_1({but})"""
        for table, but in VERSIONED.items()
    ],
]
BACKWARD = [
    *[f"DROP TRIGGER zz_{table}_version ON organizations_{table}" for table in VERSIONED],
    "DROP FUNCTION organizations_renew_version_1",
    "DROP TRIGGER bulkitem_is_fixed ON organizations_bulkitem",
    "DROP FUNCTION organizations_bulkitem_is_fixed",
    "ALTER TABLE organizations_budgetwarning DROP CONSTRAINT budgetwarning_percents_in_range",
    "ALTER TABLE organizations_budgetwarning DROP CONSTRAINT budgetwarning_actor_fits",
    "DROP TRIGGER organization_exact_external_id ON organizations_organization",
    "DROP TRIGGER actor_exact_external_id ON organizations_actor",
    "DROP TRIGGER group_exact_key ON organizations_group",
    "DROP FUNCTION organizations_exact_names_1",
    "DROP FUNCTION organizations_is_exact_1",
    "DROP TRIGGER logentry_no_truncate ON django_admin_log",
    "DROP TRIGGER logentry_append_only ON django_admin_log",
    "DROP FUNCTION organizations_log_append_only",
    "DROP FUNCTION organizations_append_only",
    "DROP TRIGGER bulkaction_is_fixed ON organizations_bulkaction",
    "DROP TRIGGER proposal_is_fixed ON organizations_proposal",
    "DROP FUNCTION organizations_proposal_is_fixed_1",
    "ALTER TABLE organizations_membership DROP CONSTRAINT membership_actor_fits",
    "ALTER TABLE organizations_membership DROP CONSTRAINT membership_group_fits",
    "DROP TRIGGER organization_sandbox_is_fixed ON organizations_organization",
    "DROP TRIGGER organization_sandbox_in_its_place ON organizations_organization",
    "DROP FUNCTION organizations_sandbox",
    "ALTER TABLE organizations_apikey DROP CONSTRAINT apikey_env_of_its_organization",
    "ALTER TABLE organizations_organization DROP CONSTRAINT organization_env_of_its_parent",
    "DROP TRIGGER organization_parent_is_fixed ON organizations_organization",
    "DROP TRIGGER organization_one_level ON organizations_organization",
    "DROP FUNCTION organizations_one_level",
]


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
