-- The few statements that only SQLite reads: lists of ids come as JSON.

-- name: claim_rows --
UPDATE delivery SET state = 'sending', attempt = attempt + 1, changed_at = ?
WHERE id IN (SELECT value FROM json_each(?)) AND id BETWEEN ? AND ? AND state = 'pending'
RETURNING id, attempt, reason

-- name: rows_of --
SELECT id, state, attempt, told, maybe_twice, reason FROM delivery
WHERE id IN (SELECT value FROM json_each(?)) AND id BETWEEN ? AND ?

-- name: fallbacks_of --
SELECT fallback, recipient FROM delivery
WHERE id IN (SELECT value FROM json_each(?)) AND id BETWEEN ? AND ? AND fallback <> ''
ORDER BY id
