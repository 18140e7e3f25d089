"""Who pays, who spends, on what terms; and the jobs that time makes due for them. This app knows nothing of credits or usage."""

from organizations.models.alerts import Alert as Alert
from organizations.models.alerts import AlertRule as AlertRule
from organizations.models.alerts import AlertStep as AlertStep
from organizations.models.alerts import BudgetWarning as BudgetWarning
from organizations.models.bulk import BulkAction as BulkAction
from organizations.models.bulk import BulkItem as BulkItem
from organizations.models.imports import Import as Import
from organizations.models.imports import ImportPart as ImportPart
from organizations.models.imports import ImportRow as ImportRow
from organizations.models.jobs import ClockMark as ClockMark
from organizations.models.jobs import Failure as Failure
from organizations.models.jobs import Finding as Finding
from organizations.models.jobs import Job as Job
from organizations.models.jobs import Lease as Lease
from organizations.models.jobs import Tick as Tick
from organizations.models.keys import ApiKey as ApiKey
from organizations.models.keys import IdempotencyKey as IdempotencyKey
from organizations.models.keys import RateCount as RateCount
from organizations.models.people import Actor as Actor
from organizations.models.people import Env as Env
from organizations.models.people import Group as Group
from organizations.models.people import Membership as Membership
from organizations.models.people import Organization as Organization
from organizations.models.people import UsageProfile as UsageProfile
from organizations.models.proposals import Proposal as Proposal
from organizations.models.views import SavedView as SavedView
