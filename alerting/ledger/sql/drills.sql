-- Drills: planned times, and notes.

-- name: take_occurrence --
INSERT INTO occurrence (drill, planned_local, due_at, at, outcome, detail, alert, facts)
VALUES (?, ?, ?, ?, 'run', ?, ?, ?)
ON CONFLICT (drill, planned_local) DO UPDATE
SET at = excluded.at, due_at = excluded.due_at, outcome = 'run', detail = excluded.detail,
    alert = excluded.alert, facts = excluded.facts
WHERE occurrence.outcome = 'missed'

-- name: miss_occurrence --
INSERT INTO occurrence (drill, planned_local, due_at, at, outcome, detail, alert, facts)
VALUES (?, ?, ?, ?, 'missed', ?, '', ?)
ON CONFLICT (drill, planned_local) DO NOTHING

-- name: occurrences_of --
SELECT drill, planned_local, due_at, at, outcome, detail, alert, facts
FROM occurrence WHERE drill = ? AND due_at < ? ORDER BY due_at DESC, planned_local DESC LIMIT ?

-- name: occurrence_of_alert --
SELECT drill, planned_local, due_at, at, outcome, detail, alert, facts FROM occurrence WHERE alert = ?

-- name: drill_names --
SELECT DISTINCT drill FROM occurrence ORDER BY drill

-- name: drill_watch --
SELECT since, mark FROM drill_watch WHERE drill = ?

-- name: watch_drill --
INSERT INTO drill_watch (drill, mark, since) VALUES (?, ?, ?)
ON CONFLICT (drill) DO UPDATE SET mark = excluded.mark, since = excluded.since
WHERE drill_watch.mark <> excluded.mark

-- name: add_drill_note --
INSERT INTO drill_note (alert, at, kind, text, by, owner, due) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: drill_notes --
SELECT at, kind, text, by, owner, due FROM drill_note WHERE alert = ? ORDER BY id
