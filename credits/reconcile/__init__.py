"""What must always hold, asked of the database in SQL: the books.

Each check selects the rows that break it, as (wallet, subject, detail): whose they are, which they are, and what is wrong in words. An
honest database selects none. `manage.py reconcile` runs them, and so does a fixture after every test that touches the database.

`wallets`, `ledger`, `periods` and `rows` are the checks, by what they look at; `naming` says how a row is named, and `running` runs them.
"""

from credits.reconcile.naming import COUNTER as COUNTER
from credits.reconcile.naming import ENTRY as ENTRY
from credits.reconcile.naming import WALLET as WALLET
from credits.reconcile.rows import dangling as dangling
from credits.reconcile.running import CHECKS as CHECKS
from credits.reconcile.running import known as known
from credits.reconcile.running import reconcile as reconcile
from credits.reconcile.running import statement as statement
