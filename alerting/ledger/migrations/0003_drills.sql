-- Drills: what was planned when, what came of it, and what people observed.

-- One row for each planned time of a drill, named by the clocks on campus: a clock that is set back, a
-- second scheduler and a restart all meet the same key. A run is never replaced; a miss may become a run
-- while its window is still open (the clock had jumped ahead and came back).
CREATE TABLE occurrence (
    drill         TEXT    NOT NULL,
    planned_local TEXT    NOT NULL,
    due_at        INTEGER NOT NULL,
    at            INTEGER NOT NULL,
    outcome       TEXT    NOT NULL CHECK (outcome IN ('run', 'missed')),
    detail        TEXT    NOT NULL DEFAULT '',
    alert         TEXT    NOT NULL DEFAULT '',
    facts         TEXT    NOT NULL DEFAULT '{}',
    PRIMARY KEY (drill, planned_local),
    CHECK ((outcome = 'run') = (alert <> ''))
);
CREATE UNIQUE INDEX occurrence_alert ON occurrence (alert) WHERE alert <> '';

-- Since when a schedule is watched: what lies before was never promised. The mark is of the schedule's
-- own words; another schedule is watched anew.
CREATE TABLE drill_watch (
    drill TEXT    PRIMARY KEY,
    mark  TEXT    NOT NULL,
    since INTEGER NOT NULL
);

-- What people add to a drill's record afterwards.
CREATE TABLE drill_note (
    id    INTEGER PRIMARY KEY,
    alert TEXT    NOT NULL,
    at    INTEGER NOT NULL,
    kind  TEXT    NOT NULL,
    text  TEXT    NOT NULL,
    by    TEXT    NOT NULL,
    owner TEXT    NOT NULL DEFAULT '',
    due   TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX drill_note_alert ON drill_note (alert, id);

CREATE TRIGGER occurrence_run_kept BEFORE UPDATE ON occurrence WHEN OLD.outcome = 'run'
BEGIN SELECT RAISE(ABORT, 'a drill that ran stays on record'); END;
CREATE TRIGGER occurrence_never_cut BEFORE DELETE ON occurrence
BEGIN SELECT RAISE(ABORT, 'occurrences stay on record'); END;
CREATE TRIGGER drill_note_kept BEFORE UPDATE ON drill_note
BEGIN SELECT RAISE(ABORT, 'notes are append-only'); END;
CREATE TRIGGER drill_note_never_cut BEFORE DELETE ON drill_note
BEGIN SELECT RAISE(ABORT, 'notes are append-only'); END;
