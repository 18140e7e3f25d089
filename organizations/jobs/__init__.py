"""Doing what time has made due: for many organizations, by any number of workers, whatever dies meanwhile.

Nothing here decides what is due or what is done about it: a `Work` says both. What it does must be idempotent, because a worker that
was killed may have done more than it could say. A job hands out its organizations in batches, in the order of their ids; whoever has
a batch has a lease on it and keeps extending it, and what a dead worker left is taken over when its lease runs out.

An organization for which the work fails keeps nobody waiting: it is tried again after a minute and after five more, and then left to
staff. One that the time of a task is not enough for ends the task, and the next one goes on with the others; it is tried again every five
minutes, because what was done of it stays done. A lost connection is nobody's failure: it ends the run, and the next one goes on.

`work` says what a job is of, `due` for whom, `records` keeps its row, `leases` hands out its batches, `running` does them, `failures` keeps what
went wrong.
"""

from organizations.jobs.due import preview as preview
from organizations.jobs.failures import MOST_ATTEMPTS as MOST_ATTEMPTS
from organizations.jobs.failures import try_again as try_again
from organizations.jobs.leases import BATCH as BATCH
from organizations.jobs.leases import LEASE as LEASE
from organizations.jobs.records import prune as prune
from organizations.jobs.records import tick as tick
from organizations.jobs.running import TOGETHER as TOGETHER
from organizations.jobs.running import run as run
from organizations.jobs.work import Found as Found
from organizations.jobs.work import Portion as Portion
from organizations.jobs.work import Run as Run
from organizations.jobs.work import Work as Work
