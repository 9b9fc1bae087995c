-- What providers tell later. A receipt is kept once, whatever it does to its row.

-- mark names the provider's event: 16 bytes of a digest, so that a repeat finds itself.
-- at is the provider's time where it told one, heard_at ours.
CREATE TABLE receipt (
    delivery    INTEGER NOT NULL,
    mark        BLOB    NOT NULL,
    status      TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    heard_at    INTEGER NOT NULL,
    provider_id TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    detail      TEXT    NOT NULL,
    PRIMARY KEY (delivery, mark)
) WITHOUT ROWID;

-- Receipts that overtook our own record: their row is still being sent, and takes them afterwards.
CREATE TABLE early (
    delivery INTEGER NOT NULL,
    mark     BLOB    NOT NULL,
    PRIMARY KEY (delivery, mark)
) WITHOUT ROWID;

-- Receipts of messages nobody here knows (yet). They are looked at again, and dropped after a day.
CREATE TABLE orphan (
    mark        BLOB    PRIMARY KEY,
    channel     TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    heard_at    INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    key         TEXT    NOT NULL,
    provider_id TEXT    NOT NULL,
    address     TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    detail      TEXT    NOT NULL
) WITHOUT ROWID;
CREATE INDEX orphan_due ON orphan (due_at);

-- Who asked a channel to stop, or to start again: the whole history; the newest word counts.
CREATE TABLE opt (
    seq      INTEGER PRIMARY KEY,
    mark     BLOB    NOT NULL UNIQUE,
    channel  TEXT    NOT NULL,
    address  TEXT    NOT NULL,
    status   TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    heard_at INTEGER NOT NULL,
    detail   TEXT    NOT NULL
);
CREATE INDEX opt_address ON opt (channel, address, at);

-- What people wrote back, as it came.
CREATE TABLE reply (
    seq         INTEGER PRIMARY KEY,
    mark        BLOB    NOT NULL UNIQUE,
    channel     TEXT    NOT NULL,
    address     TEXT    NOT NULL,
    text        TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    provider_id TEXT    NOT NULL
);

-- Arrivals a second since the alert was opened, as progress counts acceptances.
CREATE TABLE arrival (
    alert     INTEGER NOT NULL,
    channel   INTEGER NOT NULL,
    second    INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    first_ms  INTEGER NOT NULL,
    last_ms   INTEGER NOT NULL,
    PRIMARY KEY (alert, channel, second)
);

CREATE TRIGGER receipt_kept BEFORE UPDATE ON receipt
BEGIN SELECT RAISE(ABORT, 'receipts are append-only'); END;
CREATE TRIGGER receipt_never_cut BEFORE DELETE ON receipt
BEGIN SELECT RAISE(ABORT, 'receipts are append-only'); END;
