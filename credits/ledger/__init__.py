"""The one door through which credits move.

Nothing else writes a wallet's balance, its reserved credits, what remains of a grant, or an entry. Every function here is called
inside a transaction, with the wallets locked by `lock`, and does all of its work or raises. It decides nothing: it is told ids and
amounts, and refuses what would be impossible.

`shapes` says what the ledger is told, `wallets` locks and reads, `posting` writes entries with all that they change, `movements`
says which entries a movement takes, `admitting` asks for holds, `holds` ends them, `counting` counts work without a hold, `hashing` makes
an edit visible.
"""

from credits.ledger.admitting import Candidate as Candidate
from credits.ledger.admitting import Outcome as Outcome
from credits.ledger.admitting import Versions as Versions
from credits.ledger.admitting import Wanted as Wanted
from credits.ledger.admitting import decide as decide
from credits.ledger.admitting import hold as hold
from credits.ledger.counting import ORGANIZATION as ORGANIZATION
from credits.ledger.counting import Charged as Charged
from credits.ledger.counting import InMonth as InMonth
from credits.ledger.counting import Subject as Subject
from credits.ledger.counting import charge_told as charge_told
from credits.ledger.counting import count as count
from credits.ledger.hashing import HASH as HASH
from credits.ledger.holds import EXPIRED_AT_ONCE as EXPIRED_AT_ONCE
from credits.ledger.holds import count_work as count_work
from credits.ledger.holds import expire as expire
from credits.ledger.holds import free as free
from credits.ledger.holds import read_figures as read_figures
from credits.ledger.holds import release as release
from credits.ledger.holds import without_expired as without_expired
from credits.ledger.movements import InsufficientCredits as InsufficientCredits
from credits.ledger.movements import charge as charge
from credits.ledger.movements import draw as draw
from credits.ledger.movements import fund as fund
from credits.ledger.movements import give_back as give_back
from credits.ledger.movements import take_back as take_back
from credits.ledger.movements import taken_from as taken_from
from credits.ledger.movements import transfer as transfer
from credits.ledger.posting import moment as moment
from credits.ledger.posting import post as post
from credits.ledger.posting import require_exact as require_exact
from credits.ledger.recharges import count_recharged as count_recharged
from credits.ledger.recharges import recharge as recharge
from credits.ledger.shapes import Draw as Draw
from credits.ledger.shapes import Lot as Lot
from credits.ledger.shapes import Note as Note
from credits.ledger.shapes import Posting as Posting
from credits.ledger.shapes import remaining as remaining
from credits.ledger.shapes import take as take
from credits.ledger.wallets import live_grants as live_grants
from credits.ledger.wallets import lock as lock
from credits.ledger.wallets import lock_all as lock_all
from credits.ledger.wallets import lock_children as lock_children
from credits.ledger.wallets import lock_idle as lock_idle
from credits.ledger.wallets import lock_row as lock_row
from credits.ledger.wallets import number_events as number_events
from credits.ledger.wallets import open_period as open_period
