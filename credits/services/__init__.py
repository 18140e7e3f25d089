"""What can be done with credits. The API, the admin and Celery all call these.

Each is one business action: keyword-only, in one transaction that it owns or joins, under the lock of the wallets it moves, at the
`now` it is given. What may go wrong is a class beside the function that raises it.
"""

from credits.services.actors import ForeignProfile as ForeignProfile
from credits.services.actors import NewActor as NewActor
from credits.services.actors import create_actor as create_actor
from credits.services.actors import create_actors as create_actors
from credits.services.actors import erase_actor as erase_actor
from credits.services.actors import update_actor as update_actor
from credits.services.admission import BillingExhausted as BillingExhausted
from credits.services.admission import ChargeTooLarge as ChargeTooLarge
from credits.services.calendar import renew as renew
from credits.services.calendar import renew_together as renew_together
from credits.services.children import Child as Child
from credits.services.children import NewKey as NewKey
from credits.services.children import Opening as Opening
from credits.services.children import open_child as open_child
from credits.services.children import require_root as require_root
from credits.services.corrections import AlreadyReversed as AlreadyReversed
from credits.services.corrections import NothingLeft as NothingLeft
from credits.services.corrections import NotReversible as NotReversible
from credits.services.corrections import reverse as reverse
from credits.services.corrections import void as void
from credits.services.crowding import HoldsAreEnding as HoldsAreEnding
from credits.services.crowding import TooManyHolds as TooManyHolds
from credits.services.funding import InvalidAmount as InvalidAmount
from credits.services.funding import InvalidExpiry as InvalidExpiry
from credits.services.funding import NotARoot as NotARoot
from credits.services.funding import RechargeLimitReached as RechargeLimitReached
from credits.services.funding import adjust as adjust
from credits.services.funding import grant as grant
from credits.services.funding import recharge as recharge
from credits.services.holds import DEFAULT_TIME_TO_LIVE as DEFAULT_TIME_TO_LIVE
from credits.services.holds import MAX_TIME_TO_LIVE as MAX_TIME_TO_LIVE
from credits.services.holds import AlreadySettled as AlreadySettled
from credits.services.holds import ReservationClosed as ReservationClosed
from credits.services.holds import expire as expire
from credits.services.holds import extend as extend
from credits.services.holds import release as release
from credits.services.holds import release_many as release_many
from credits.services.month_end import month_entries as month_entries
from credits.services.month_end import month_lines as month_lines
from credits.services.month_end import periods_of_month as periods_of_month
from credits.services.organizations import Archival as Archival
from credits.services.organizations import CancelledAbove as CancelledAbove
from credits.services.organizations import HasActiveChildren as HasActiveChildren
from credits.services.organizations import (
    RefillRequiresThresholdAndAmount as RefillRequiresThresholdAndAmount,
)
from credits.services.organizations import archive as archive
from credits.services.organizations import close_sandbox as close_sandbox
from credits.services.organizations import create_organization as create_organization
from credits.services.organizations import resume as resume
from credits.services.organizations import suspend as suspend
from credits.services.organizations import update_organization as update_organization
from credits.services.organizations import update_terms as update_terms
from credits.services.organizations import upgrade_terms as upgrade_terms
from credits.services.pending import InvalidStart as InvalidStart
from credits.services.pending import NotPending as NotPending
from credits.services.pending import cancel_grant as cancel_grant
from credits.services.pending import find_grant as find_grant
from credits.services.pending import schedule_grant as schedule_grant
from credits.services.pending import void_any as void_any
from credits.services.reading import Reading as Reading
from credits.services.reading import as_due as as_due
from credits.services.reading import grants_of as grants_of
from credits.services.reading import ledger_of as ledger_of
from credits.services.reading import wallet_as_of as wallet_as_of
from credits.services.reading import wallet_shown as wallet_shown
from credits.services.reading import with_wallets as with_wallets
from credits.services.references import NotReferable as NotReferable
from credits.services.references import ReferenceTaken as ReferenceTaken
from credits.services.references import move_reference as move_reference
from credits.services.refills import end_refill_cooldown as end_refill_cooldown
from credits.services.remembering import NotKnownThen as NotKnownThen
from credits.services.remembering import wallet_then as wallet_then
from credits.services.sandbox import open_sandbox as open_sandbox
from credits.services.statements import Statement as Statement
from credits.services.statements import by_category as by_category
from credits.services.statements import owed as owed
from credits.services.statements import statement_of as statement_of
from credits.services.statements import statement_rows as statement_rows
from credits.services.statements import statements_of as statements_of
from credits.services.transfers import allocate as allocate
from credits.services.transfers import reclaim_from_child as reclaim_from_child
