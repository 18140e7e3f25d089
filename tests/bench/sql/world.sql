-- What the bare views and the scripts of pgbench know of the callers, so that they are told a number and nothing else.

CREATE TABLE bench.caller (
    n integer PRIMARY KEY,
    organization_id uuid NOT NULL,
    wallet_id uuid NOT NULL,
    actor_id uuid NOT NULL,
    model text NOT NULL,
    credits numeric NOT NULL,
    settled numeric NOT NULL,
    estimate jsonb NOT NULL,
    rate_card jsonb NOT NULL,
    limits jsonb NOT NULL
);
