"""What organizations hold: wallets, grants, and the ledger that explains every balance.

Four nouns and three rules. A *wallet* holds the credits of one organization. Its credits came in as *grants*: lots with an origin,
a priority and perhaps an expiry. Every movement is a *ledger entry*, and says with its *draws* which grants it changed and by how
much. A *reservation* holds credits while work runs; it writes no entry until the work is settled.

1. `balance` = what remains in the wallet's grants − its debt = the sum of its ledger entries.
2. `reserved` = the sum of its open reservations.
3. Nobody writes any of these but `credits/ledger/`, under the lock of the wallet's row.

Amounts are exact decimals with six places, times are UTC, periods are `[starts_at, ends_at)`. `null` is no limit, `0` is nothing.
"""

from credits.models.catalogue import Catalogue as Catalogue
from credits.models.counters import BillingPeriod as BillingPeriod
from credits.models.counters import UsageCounter as UsageCounter
from credits.models.entries import Grant as Grant
from credits.models.entries import GrantDraw as GrantDraw
from credits.models.entries import LedgerEntry as LedgerEntry
from credits.models.fields import MAX_AMOUNT as MAX_AMOUNT
from credits.models.fields import ZERO as ZERO
from credits.models.fields import AmountField as AmountField
from credits.models.fields import rules as rules
from credits.models.pending import PendingGrant as PendingGrant
from credits.models.references import Reference as Reference
from credits.models.references import ReferenceMove as ReferenceMove
from credits.models.references import namespace_of as namespace_of
from credits.models.rehearsals import Rehearsal as Rehearsal
from credits.models.rehearsals import RehearsedRenewal as RehearsedRenewal
from credits.models.reservations import Growth as Growth
from credits.models.reservations import Reservation as Reservation
from credits.models.wallets import GENESIS as GENESIS
from credits.models.wallets import CreditConfig as CreditConfig
from credits.models.wallets import StatusChange as StatusChange
from credits.models.wallets import Wallet as Wallet
