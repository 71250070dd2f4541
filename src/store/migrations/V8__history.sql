-- What policies count of the past: one row for each request and each count that it is part of.

CREATE TABLE history (
    -- Of the request: its rows are reserved, settled and given back together.
    id              TEXT NOT NULL,
    -- SHA-256 over what is counted, and for whom it is counted together.
    fact            TEXT NOT NULL,
    subject         TEXT NOT NULL,
    -- The order in which requests were reserved.
    seq             BIGINT NOT NULL,
    at              BIGINT NOT NULL,
    -- A keyed hash of the argument that is told apart by its value, or the amount that is added up,
    -- in ten-thousandths.
    value           BYTEA,
    amount          BIGINT,
    -- Until when the request is waited for that is not decided yet; none once it was allowed.
    lease_until     BIGINT,
    -- None while the session may last.
    keep_until      BIGINT,
    PRIMARY KEY (id, fact)
);
CREATE INDEX history_count ON history (fact, subject, at);
CREATE INDEX history_leases ON history (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX history_kept ON history (keep_until);

-- Whose turn it is to reserve: one row, locked by whoever does.
CREATE TABLE history_turn (
    id              BIGINT PRIMARY KEY,
    turn            BIGINT NOT NULL
);
INSERT INTO history_turn (id, turn) VALUES (1, 0);
