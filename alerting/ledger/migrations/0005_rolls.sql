-- A list of people that an alert was accepted with, whole, before its rows are written: the feeds go first.

-- One for each channel. The batches of a roll are there from the beginning, with their counts, so that
-- nothing that counts must know of it; no lane takes one before its rows are there. The row at a place of
-- the list belongs to the batch first + place / size. state, changed_at and reason are what rows are written
-- with: an alert may end before.
CREATE TABLE roll (
    alert      INTEGER NOT NULL,
    channel    INTEGER NOT NULL,
    first      INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    places     INTEGER NOT NULL,
    written    INTEGER NOT NULL DEFAULT 0 CHECK (written <= places),
    question   TEXT    NOT NULL,
    without    TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    changed_at INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    PRIMARY KEY (alert, channel),
    FOREIGN KEY (alert, channel) REFERENCES lane (alert, channel)
);

-- The file the question is asked of, in pieces, as long as it is needed.
CREATE TABLE roll_part (
    alert INTEGER NOT NULL,
    n     INTEGER NOT NULL,
    bytes BLOB    NOT NULL,
    PRIMARY KEY (alert, n)
);

CREATE TRIGGER roll_part_kept BEFORE UPDATE ON roll_part
BEGIN SELECT RAISE(ABORT, 'a list stays as it was accepted'); END;
CREATE TRIGGER roll_part_needed BEFORE DELETE ON roll_part
WHEN EXISTS (SELECT 1 FROM roll WHERE alert = OLD.alert)
BEGIN SELECT RAISE(ABORT, 'a list stays until its rows are written'); END;
CREATE TRIGGER roll_needed BEFORE DELETE ON roll WHEN OLD.written < OLD.places
BEGIN SELECT RAISE(ABORT, 'a roll stays until its rows are written'); END;
