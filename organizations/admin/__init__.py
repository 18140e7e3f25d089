"""What staff see of keys, of repeated requests and of the calendar's jobs, and what the other apps' admins share."""

from organizations.admin import failures as failures
from organizations.admin import findings as findings
from organizations.admin import jobs as jobs
from organizations.admin import keys as keys
from organizations.admin.cells import link as link
from organizations.admin.cells import pill as pill
from organizations.admin.columns import TONES as TONES
from organizations.admin.columns import Headed as Headed
from organizations.admin.columns import PublicIdSearch as PublicIdSearch
from organizations.admin.columns import ViewOnlyAdmin as ViewOnlyAdmin
from organizations.admin.exports import ExportedAdmin as ExportedAdmin
from organizations.admin.history import Change as Change
from organizations.admin.history import HistoryAdmin as HistoryAdmin
from organizations.admin.key_states import key_state as key_state
