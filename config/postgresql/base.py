"""Django's PostgreSQL, where a commit that may not have reached the standby is no success, and a rollback forgets no plan.

Who commits with `synchronous_commit` to a standby that is gone waits, until somebody cancels the wait. The server then says so in a
warning and reports success: the work is done here, and would be missing after a failover. To whoever asked that is "in doubt": 503, and the
same idempotency key tells.
"""

from typing import Any

from django.db import OperationalError
from django.db.backends import utils
from django.db.backends.postgresql import base, operations
from psycopg.errors import Diagnostic
from psycopg.pq import TransactionStatus

WARNING = "01000"
IN_DOUBT = "synchronous replication"


class DatabaseOperations(operations.DatabaseOperations):
    """What is told of statements."""

    def last_executed_query(self, cursor: Any, sql: str, params: Any) -> str:
        """Return what was sent: of a prepared statement its text, since no values are written into it."""
        return super().last_executed_query(cursor, sql, params) or sql


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to PostgreSQL."""

    ops_class = DatabaseOperations

    in_doubt = False
    """Whether the server said of a commit that it waited for its standby in vain."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        session = super().get_new_connection(conn_params)
        session.add_notice_handler(self._hear)
        return session

    def make_cursor(self, cursor: Any) -> utils.CursorWrapper:
        return CursorWrapper(cursor, self)

    def make_debug_cursor(self, cursor: Any) -> utils.CursorDebugWrapper:
        return CursorDebugWrapper(cursor, self)

    def _hear(self, notice: Diagnostic) -> None:
        if notice.sqlstate == WARNING and IN_DOUBT in (notice.message_primary or ""):
            self.in_doubt = True

    def require_certainty(self) -> None:
        """Do nothing, unless the server said that what was just committed is in doubt.

        :raises OperationalError: then; it is told once
        """
        if self.in_doubt:
            self.in_doubt = False
            raise OperationalError("committed here, and perhaps nowhere else")

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self.require_certainty()

    def _rollback(self) -> None:
        """Roll back by a statement like any other: the driver's own way makes the session forget what it has prepared."""
        session = self.connection
        if session is None or session.info.transaction_status == TransactionStatus.IDLE:
            return
        with utils.debug_transaction(self, "ROLLBACK"), self.wrap_database_errors:
            session.cursor().execute("ROLLBACK")


class CursorWrapper(utils.CursorWrapper):
    """A cursor: what it sends outside of a transaction is committed when it returns."""

    def _execute(self, sql: str, params: Any, *ignored: Any) -> Any:
        result = super()._execute(sql, params, *ignored)  # type: ignore[misc]
        if self.db.in_doubt and not self.db.in_atomic_block:
            self.db.require_certainty()
        return result


class CursorDebugWrapper(CursorWrapper, utils.CursorDebugWrapper):
    """The same, where statements are kept to be looked at."""
