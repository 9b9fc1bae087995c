-- The first shape of the ledger. Instants are microseconds since 1970 UTC; 0 stands for "not yet".
-- Columns named alert and channel hold the small refs, so that millions of rows stay narrow.
-- An alert has recipients once its planning is closed; NULL while it is not.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE channel (
    ref  INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE alert (
    ref           INTEGER PRIMARY KEY,
    id            TEXT    NOT NULL UNIQUE,
    run_key       TEXT    NOT NULL UNIQUE,
    incident      TEXT    NOT NULL,
    audience      TEXT    NOT NULL,
    body          TEXT    NOT NULL,
    pending       TEXT    NOT NULL,
    digest        TEXT    NOT NULL,
    expires_at    INTEGER NOT NULL,
    accepted_at   INTEGER NOT NULL,
    recipients    INTEGER,
    notes         TEXT    NOT NULL DEFAULT '{}',
    settled_at    INTEGER NOT NULL DEFAULT 0,
    cancelled_at  INTEGER NOT NULL DEFAULT 0,
    cancel_reason TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX alert_incident ON alert (incident, ref);
CREATE INDEX alert_audience ON alert (audience, ref);

CREATE TABLE lane (
    alert    INTEGER NOT NULL REFERENCES alert (ref),
    channel  INTEGER NOT NULL REFERENCES channel (ref),
    seat     INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    content  TEXT    NOT NULL,
    fallback TEXT    NOT NULL,
    PRIMARY KEY (alert, channel)
);

-- The counters are the fold of the batch's deliveries; whoever moves a row moves them too.
CREATE TABLE batch (
    id            INTEGER PRIMARY KEY,
    alert         INTEGER NOT NULL,
    channel       INTEGER NOT NULL,
    priority      INTEGER NOT NULL,
    state         TEXT    NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'leased', 'done')),
    not_before    INTEGER NOT NULL DEFAULT 0,
    epoch         INTEGER NOT NULL DEFAULT 0,
    owner         TEXT    NOT NULL DEFAULT '',
    lease_until   INTEGER NOT NULL DEFAULT 0,
    n_pending     INTEGER NOT NULL DEFAULT 0 CHECK (n_pending >= 0),
    n_sending     INTEGER NOT NULL DEFAULT 0 CHECK (n_sending >= 0),
    n_uncertain   INTEGER NOT NULL DEFAULT 0 CHECK (n_uncertain >= 0),
    n_accepted    INTEGER NOT NULL DEFAULT 0 CHECK (n_accepted >= 0),
    n_delivered   INTEGER NOT NULL DEFAULT 0 CHECK (n_delivered >= 0),
    n_undelivered INTEGER NOT NULL DEFAULT 0 CHECK (n_undelivered >= 0),
    n_unresolved  INTEGER NOT NULL DEFAULT 0 CHECK (n_unresolved >= 0),
    n_rejected    INTEGER NOT NULL DEFAULT 0 CHECK (n_rejected >= 0),
    n_expired     INTEGER NOT NULL DEFAULT 0 CHECK (n_expired >= 0),
    n_cancelled   INTEGER NOT NULL DEFAULT 0 CHECK (n_cancelled >= 0),
    FOREIGN KEY (alert, channel) REFERENCES lane (alert, channel)
);
CREATE INDEX batch_alert ON batch (alert, channel, id);
CREATE INDEX batch_open ON batch (channel, priority DESC, id) WHERE state <> 'done';

-- id = batch * 1024 + place in the batch. No index mentions the state: it changes too often.
-- told counts the outcomes recorded for a row; decided is the one its state comes from.
-- due_at means nothing until told is above 0.
CREATE TABLE delivery (
    id          INTEGER PRIMARY KEY,
    alert       INTEGER NOT NULL,
    channel     INTEGER NOT NULL,
    address     TEXT    NOT NULL,
    recipient   TEXT    NOT NULL,
    fallback    TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    attempt     INTEGER NOT NULL DEFAULT 0,
    due_at      INTEGER NOT NULL DEFAULT 0,
    changed_at  INTEGER NOT NULL,
    told        INTEGER NOT NULL DEFAULT 0,
    decided     INTEGER NOT NULL DEFAULT 0,
    maybe_twice INTEGER NOT NULL DEFAULT 0,
    reason      TEXT    NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX delivery_address ON delivery (alert, channel, address);

-- Committed before the provider is called.
CREATE TABLE attempt (
    delivery INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    epoch    INTEGER NOT NULL,
    began_at INTEGER NOT NULL,
    PRIMARY KEY (delivery, attempt)
) WITHOUT ROWID;

-- Everything ever heard about an attempt, in the order it was heard; attempt 0 is "without one".
CREATE TABLE outcome (
    delivery    INTEGER NOT NULL,
    n           INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    outcome     TEXT    NOT NULL,
    provider_id TEXT    NOT NULL,
    permalink   TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    detail      TEXT    NOT NULL,
    PRIMARY KEY (delivery, n)
) WITHOUT ROWID;

-- How many rows are in a state for a reason, so that nobody has to look through millions of rows.
CREATE TABLE trouble (
    alert   INTEGER NOT NULL,
    channel INTEGER NOT NULL,
    state   TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    detail  TEXT    NOT NULL,
    n       INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (alert, channel, state, reason)
);

-- Acceptances a second since the alert was opened, with the first and the last of that second.
CREATE TABLE progress (
    alert    INTEGER NOT NULL,
    channel  INTEGER NOT NULL,
    second   INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms  INTEGER NOT NULL,
    PRIMARY KEY (alert, channel, second)
);

CREATE TABLE audit (
    seq       INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    monotonic REAL    NOT NULL,
    actor     TEXT    NOT NULL,
    origin    TEXT    NOT NULL,
    action    TEXT    NOT NULL,
    subject   TEXT    NOT NULL,
    body      TEXT    NOT NULL,
    prev      TEXT    NOT NULL,
    hash      TEXT    NOT NULL
);
CREATE INDEX audit_subject ON audit (subject, seq);

CREATE TRIGGER audit_in_order BEFORE INSERT ON audit
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_kept BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_never_cut BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TRIGGER attempt_kept BEFORE UPDATE ON attempt
BEGIN SELECT RAISE(ABORT, 'attempts are append-only'); END;
CREATE TRIGGER attempt_never_cut BEFORE DELETE ON attempt
BEGIN SELECT RAISE(ABORT, 'attempts are append-only'); END;
CREATE TRIGGER outcome_kept BEFORE UPDATE ON outcome
BEGIN SELECT RAISE(ABORT, 'outcomes are append-only'); END;
CREATE TRIGGER outcome_never_cut BEFORE DELETE ON outcome
BEGIN SELECT RAISE(ABORT, 'outcomes are append-only'); END;
