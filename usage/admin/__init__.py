"""Usage as staff see it: who may spend what, on which model, at what price; and what was done or refused."""

from usage.admin import actors as actors
from usage.admin import alert_rules as alert_rules
from usage.admin import alerts as alerts
from usage.admin import budget_warnings as budget_warnings
from usage.admin import bulk_actions as bulk_actions
from usage.admin import events as events
from usage.admin import groups as groups
from usage.admin import imports as imports
from usage.admin import limits as limits
from usage.admin import markups as markups
from usage.admin import most as most
from usage.admin import organizations as organizations
from usage.admin import profiles as profiles
from usage.admin import proposals as proposals
from usage.admin import rate_card as rate_card
from usage.admin import refusals as refusals
from usage.admin import terms as terms
from usage.admin import what_if as what_if
