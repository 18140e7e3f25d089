"""Credits as staff see them: read everything, write only through services."""

from credits.admin import counters as counters
from credits.admin import grants as grants
from credits.admin import ledger as ledger
from credits.admin import rehearsals as rehearsals
from credits.admin import reservations as reservations
from credits.admin import wallets as wallets
