-- The few statements that only SQLite reads: lists of ids come as JSON.

-- name: claim_rows --
UPDATE delivery SET state = 'sending', attempt = attempt + 1, changed_at = ?
WHERE id IN (SELECT value FROM json_each(?)) AND id BETWEEN ? AND ? AND state = 'pending'
RETURNING id, reason

-- name: begin_attempts --
INSERT INTO attempt (delivery, attempt, epoch, began_at)
SELECT id, attempt, ?, ? FROM delivery WHERE id IN (SELECT value FROM json_each(?))

-- name: rows_of --
SELECT id, state, attempt, told, maybe_twice, reason FROM delivery
WHERE id IN (SELECT value FROM json_each(?)) AND id BETWEEN ? AND ?

-- name: fallbacks_of --
SELECT fallback, recipient FROM delivery
WHERE id IN (SELECT value FROM json_each(?)) AND id BETWEEN ? AND ? AND fallback <> ''
ORDER BY id

-- An accepted row travels as '<id>': '<instant, 16 digits><attempt, 4 digits><the provider's id>'.

-- name: accept_rows --
UPDATE delivery SET state = 'accepted', due_at = 0, changed_at = told_of.at, told = 1, decided = 1
FROM (SELECT CAST(key AS INTEGER) AS id, CAST(substr(value, 17, 4) AS INTEGER) AS attempt,
             CAST(substr(value, 1, 16) AS INTEGER) AS at
      FROM json_each(?)) AS told_of
WHERE delivery.id = told_of.id AND delivery.attempt = told_of.attempt
  AND state = 'sending' AND told = 0 AND maybe_twice = 0 AND reason = ''

-- name: add_accepted --
INSERT INTO outcome (delivery, n, attempt, at, outcome, provider_id, permalink, reason, detail)
SELECT CAST(key AS INTEGER), 1, CAST(substr(value, 17, 4) AS INTEGER), CAST(substr(value, 1, 16) AS INTEGER),
       'accepted', substr(value, 21), '', '', ''
FROM json_each(?)
