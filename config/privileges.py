"""What each role of the database may do: a line for every table. What has no line here, nobody but its owner may touch.

The roles are made by config/sql/roles.sql; `manage.py migrate` grants what is written here, and takes back what is not. A new table needs
a line: what the application may do with it, and which of its columns are secrets, which readers do not see.
"""

from collections.abc import Collection
from typing import NamedTuple

APP = "purser_app"
READER = "purser_reader"

READ = "SELECT"
APPEND = "SELECT, INSERT"
"""What was written stays as it is."""
KEEP = "SELECT, INSERT, UPDATE"
"""What exists may change, and is never deleted."""
ALL = "SELECT, INSERT, UPDATE, DELETE"
"""What the code deletes when it is over."""

EVERY_COLUMN = ("*",)


class Privileges(NamedTuple):
    app: str
    hidden: Collection[str] = ()
    """The columns that readers do not see, because they hold secrets."""


TABLES: dict[str, Privileges] = {
    # The money.
    "credits_wallet": Privileges(KEEP),
    "credits_creditconfig": Privileges(KEEP),
    "credits_ledgerentry": Privileges(APPEND),
    "credits_grant": Privileges(f"{APPEND}, UPDATE (remaining)"),
    "credits_pendinggrant": Privileges(
        f"{APPEND}, UPDATE (begun_at, cancelled_at, cancelled_by, cancelled_because)"
    ),
    "credits_rehearsal": Privileges(ALL),
    "credits_rehearsedrenewal": Privileges(ALL),
    "credits_grantdraw": Privileges(APPEND),
    "credits_reservation": Privileges(KEEP),
    "credits_growth": Privileges(APPEND),
    "credits_billingperiod": Privileges(KEEP),
    "credits_usagecounter": Privileges(KEEP),
    "credits_reference": Privileges(f"{APPEND}, UPDATE (text)"),
    "credits_referencemove": Privileges(APPEND),
    "credits_statuschange": Privileges(APPEND),
    "credits_catalogue": Privileges(f"{READ}, UPDATE (version, credit_usd)"),
    # What was used, and what it costs.
    "usage_usageevent": Privileges(APPEND),
    "usage_usagerollup": Privileges(ALL),
    "usage_usagetotal": Privileges(ALL),
    "usage_monthlyuse": Privileges(ALL),
    "usage_dailyuse": Privileges(ALL),
    "usage_vitals": Privileges(ALL),
    "usage_stock": Privileges(KEEP),
    "usage_rollupmark": Privileges(ALL),
    "usage_denial": Privileges(ALL),
    "usage_aimodel": Privileges(KEEP),
    "usage_rate": Privileges(ALL),
    "usage_markup": Privileges(ALL),
    "usage_customerprice": Privileges(ALL),
    "usage_accepteddifference": Privileges(ALL),
    "usage_priceproposal": Privileges(f"{APPEND}, UPDATE (state, decided_by, decided_at, outcome)"),
    "usage_thresholds": Privileges(KEEP),
    "usage_limit": Privileges(ALL),
    "organizations_alertrule": Privileges(ALL),
    "organizations_budgetwarning": Privileges(ALL),
    # Who they are.
    "organizations_organization": Privileges(KEEP),
    "organizations_usageprofile": Privileges(ALL),
    "organizations_actor": Privileges(KEEP),
    "organizations_group": Privileges(ALL),
    "organizations_membership": Privileges(ALL),
    "organizations_apikey": Privileges(KEEP, hidden=["secret_hash"]),
    "organizations_idempotencykey": Privileges(ALL, hidden=["fingerprint", "body"]),
    "organizations_ratecount": Privileges(ALL),
    "organizations_proposal": Privileges(
        f"{APPEND}, UPDATE (state, decided_by, decided_at, outcome)"
    ),
    "organizations_bulkaction": Privileges(
        f"{APPEND}, UPDATE (state, decided_by, decided_at, outcome)"
    ),
    "organizations_bulkitem": Privileges(KEEP),
    "organizations_savedview": Privileges(ALL),
    # The work of the calendar.
    "organizations_job": Privileges(ALL),
    "organizations_lease": Privileges(ALL),
    "organizations_failure": Privileges(ALL),
    "organizations_finding": Privileges(ALL),
    "organizations_tick": Privileges(KEEP),
    "organizations_import": Privileges(ALL),
    "organizations_importpart": Privileges(ALL),
    "organizations_importrow": Privileges(ALL, hidden=["secret_hash"]),
    "organizations_alert": Privileges(ALL),
    "organizations_alertstep": Privileges(f"{APPEND}, DELETE, UPDATE (note)"),
    "usage_whatif": Privileges(ALL),
    "usage_whatifpart": Privileges(ALL),
    "usage_whatifline": Privileges(ALL),
    "organizations_clockmark": Privileges(KEEP),
    "django_celery_beat_periodictask": Privileges(ALL),
    "django_celery_beat_periodictasks": Privileges(KEEP),
    "django_celery_beat_intervalschedule": Privileges(ALL),
    "django_celery_beat_crontabschedule": Privileges(ALL),
    "django_celery_beat_solarschedule": Privileges(READ),
    "django_celery_beat_clockedschedule": Privileges(READ),
    # What people changed, before and after.
    "credits_historicalcreditconfig": Privileges(APPEND),
    "organizations_historicalorganization": Privileges(APPEND),
    "organizations_historicalapikey": Privileges(APPEND),
    "organizations_historicalusageprofile": Privileges(APPEND),
    "organizations_historicalactor": Privileges(APPEND),
    "organizations_historicalgroup": Privileges(APPEND),
    "organizations_historicalmembership": Privileges(APPEND),
    "usage_historicalaimodel": Privileges(APPEND),
    "usage_historicalrate": Privileges(APPEND),
    "usage_historicalmarkup": Privileges(APPEND),
    "usage_historicalcustomerprice": Privileges(APPEND),
    "usage_historicalthresholds": Privileges(APPEND),
    "usage_historicallimit": Privileges(APPEND),
    "organizations_historicalalertrule": Privileges(APPEND),
    "organizations_historicalbudgetwarning": Privileges(APPEND),
    "django_admin_log": Privileges(APPEND),
    # Staff.
    "auth_user": Privileges(KEEP, hidden=["password"]),
    "auth_user_groups": Privileges(ALL),
    "auth_user_user_permissions": Privileges(ALL),
    "auth_group": Privileges(ALL),
    "auth_group_permissions": Privileges(ALL),
    "auth_permission": Privileges(READ),
    "otp_totp_totpdevice": Privileges(ALL, hidden=EVERY_COLUMN),
    "otp_static_staticdevice": Privileges(ALL, hidden=EVERY_COLUMN),
    "otp_static_statictoken": Privileges(ALL, hidden=EVERY_COLUMN),
    "axes_accessattempt": Privileges(ALL, hidden=["get_data", "post_data"]),
    "axes_accessattemptexpiration": Privileges(ALL),
    "axes_accessfailurelog": Privileges(ALL),
    "axes_accesslog": Privileges(KEEP, hidden=["session_hash"]),
    "django_session": Privileges(ALL, hidden=EVERY_COLUMN),
    "django_content_type": Privileges(READ),
    "django_migrations": Privileges(READ),
}

FUNCTIONS = frozenset(
    {
        "credits_answer_2",
        "credits_billingperiod_rules_1",
        "credits_charge_1",
        "credits_checksum_1",
        "credits_clamp_1",
        "credits_decide_1",
        "credits_draws_text_1",
        "credits_entry_hash_1",
        "credits_fields_1",
        "credits_figures_1",
        "credits_grant_rules_1",
        "credits_grant_text_1",
        "credits_held_1",
        "credits_hold_2",
        "credits_lasted_1",
        "credits_ledgerentry_rules_1",
        "credits_post_2",
        "credits_raise_terms",
        "credits_reservation_rules_1",
        "credits_usagecounter_rules_1",
        "credits_wallet_rules_1",
        "organizations_answer_2",
        "organizations_count_1",
        "organizations_idempotencykey_rules_1",
        "organizations_is_exact_1",
        "organizations_remember_1",
        "usage_settle_3",
        "usage_settled_answer_2",
        "usage_usageevent_rules_1",
    }
)
"""Those that statements and triggers call, open to everybody: they do no more than whoever calls them may. A trigger's own function needs
no right; the rest are the owner's."""

APP_FUNCTIONS = frozenset({"organizations_erase_1"})
"""Those that only the application calls, with the rights of their owner: each does one narrow thing, and looks first whether it may."""
