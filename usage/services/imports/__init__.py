"""Bringing rows from somewhere else: customers, people, keys, opening balances, limits, usage of the past.

A file is written down first (`bringing.py`), looked at by a worker, and carried out by one when somebody has seen what it would do
(`carrying.py`). What a row makes is made by the services that make it anywhere: one module for each kind.
"""

from usage.services.imports.bringing import GOOD_FOR as GOOD_FOR
from usage.services.imports.bringing import NotStartable as NotStartable
from usage.services.imports.bringing import Secret as Secret
from usage.services.imports.bringing import begin_import as begin_import
from usage.services.imports.bringing import needs_another as needs_another
from usage.services.imports.bringing import progress_of as progress_of
from usage.services.imports.bringing import prune as prune
from usage.services.imports.bringing import read_file as read_file
from usage.services.imports.bringing import require_startable as require_startable
from usage.services.imports.bringing import start_import as start_import
from usage.services.imports.bringing import stop_import as stop_import
from usage.services.imports.bringing import waiting_for_another as waiting_for_another
from usage.services.imports.bringing import wrong_rows as wrong_rows
from usage.services.imports.carrying import IMPORT as IMPORT
from usage.services.imports.carrying import to_do as to_do
from usage.services.imports.kinds import KINDS as KINDS
from usage.services.imports.rows import Kind as Kind
