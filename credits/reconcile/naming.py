"""How a row is named, in SQL, to whoever reads a finding."""

WALLET = "'wallet ' || w.id"
ENTRY = "'entry ' || e.number || ' of wallet ' || e.wallet_id || ' (' || e.id || ')'"
GRANT = "'grant ' || g.id || ' of wallet ' || g.wallet_id"
DRAW = """'draw ' || d.id || ' of entry ' || coalesce(
    (SELECT x.number || ' of wallet ' || x.wallet_id FROM credits_ledgerentry x WHERE x.id = d.entry_id), d.entry_id::text)"""
RESERVATION = "'reservation ' || r.id || ' of wallet ' || r.wallet_id"
PERIOD = "'period ' || p.id || ', number ' || p.index || ' of wallet ' || p.wallet_id"
COUNTER = "'counter ' || c.id || ' of wallet ' || c.wallet_id"
WALLET_OF_DRAW = "(SELECT wallet_id FROM credits_grant WHERE id = d.grant_id)"
