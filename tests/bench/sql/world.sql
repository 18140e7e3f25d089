-- What the functions of the schema know of the callers, so that pgbench and the bare views say a number and nothing else.

CREATE TABLE bench.caller (
    n integer PRIMARY KEY,
    organization_id uuid NOT NULL,
    wallet_id uuid NOT NULL,
    actor_id uuid NOT NULL,
    terms_version uuid NOT NULL,
    credits numeric NOT NULL
);
