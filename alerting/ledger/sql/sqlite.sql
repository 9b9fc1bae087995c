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

-- When a batch is taken up nothing of it is on its way: what nothing was heard of was never tried.
-- name: open_at_once --
SELECT min(told = 0) AS untried,
       json_group_object(id, address), json_group_object(id, fallback) FILTER (WHERE fallback <> '')
FROM delivery WHERE id BETWEEN ? AND ? AND state IN ('pending', 'sending', 'uncertain')

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

-- name: newly_accepted --
SELECT d.id FROM delivery d
WHERE d.id IN (SELECT value FROM json_each(?)) AND d.told = 1
  AND NOT EXISTS (SELECT 1 FROM outcome o WHERE o.delivery = d.id)

-- name: add_accepted --
INSERT INTO outcome (delivery, n, attempt, at, outcome, provider_id, permalink, reason, detail)
SELECT CAST(key AS INTEGER), 1, CAST(substr(value, 17, 4) AS INTEGER), CAST(substr(value, 1, 16) AS INTEGER),
       'accepted', substr(value, 21), '', '', ''
FROM json_each(?)

-- A list is another file beside this one for the length of a transaction. Its rows are numbered as if they had
-- come in batches; {question} answers with place, address, recipient and fallback.

-- name: next_batch --
SELECT coalesce(max(id), 0) + 1 FROM batch

-- name: add_listed --
INSERT INTO delivery (id, alert, channel, address, recipient, fallback, state, due_at, changed_at, reason)
SELECT (?1 + place / ?2) * 1024 + place % ?2, ?3, ?4, address, recipient, fallback, ?5, ?6, ?6, ?7
FROM ({question})
WHERE place >= ?9 AND place < ?10 AND (?8 = '[]' OR address NOT IN (SELECT value FROM json_each(?8)))
ON CONFLICT (alert, channel, address) DO NOTHING

-- Where no place was left out, the size of each follows from the number of rows (?8), and none has to be counted.
-- name: add_batches --
WITH RECURSIVE run (id, whole) AS (
    SELECT ?1, (last / 1024 - ?1) * ?7 + last % 1024 + 1 = ?8 FROM (SELECT max(id) AS last FROM delivery)
    UNION ALL
    SELECT id + 1, whole FROM run WHERE id < (SELECT max(id) / 1024 FROM delivery)
)
INSERT INTO batch (id, alert, channel, priority, not_before, state, n_pending, n_cancelled)
SELECT id, ?2, ?3, ?4, 0, ?5, n * ?6, n * (1 - ?6)
FROM (
    SELECT id, CASE WHEN whole THEN min(?7, ?8 - (id - ?1) * ?7)
                    ELSE (SELECT count(*) FROM delivery
                          WHERE delivery.id BETWEEN run.id * 1024 AND run.id * 1024 + 1023) END AS n
    FROM run
)
WHERE n > 0

-- A roll is a list that was accepted and not yet written (migration 0005).

-- name: add_part --
INSERT INTO roll_part (alert, n, bytes) VALUES (?, ?, ?)

-- name: parts --
SELECT n FROM roll_part WHERE alert = ? ORDER BY n

-- name: part --
SELECT bytes FROM roll_part WHERE alert = ? AND n = ?

-- name: planned_on --
SELECT address FROM delivery WHERE alert = ? AND channel = ?

-- name: reserve_batch --
INSERT INTO batch (id, alert, channel, priority, not_before, n_pending) VALUES (?, ?, ?, ?, ?, ?)

-- name: add_roll --
INSERT INTO roll (alert, channel, first, size, places, question, without, digest, state, changed_at, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: rolled --
SELECT DISTINCT channel.name, EXISTS (
    SELECT 1 FROM batch
    WHERE batch.channel = roll.channel AND batch.state <> 'done' AND batch.not_before < ?
      AND n_pending + n_sending + n_uncertain > 0)
FROM roll JOIN channel ON channel.ref = roll.channel

-- name: next_roll --
SELECT alert.id, channel.name, roll.alert, roll.channel, first, size, places, written, question, without,
       roll.digest, roll.state, changed_at, reason
FROM roll
JOIN alert ON alert.ref = roll.alert
JOIN channel ON channel.ref = roll.channel
LEFT JOIN batch ON batch.id = (SELECT max(id) FROM batch WHERE batch.alert = roll.alert AND batch.channel = roll.channel)
ORDER BY coalesce(batch.priority, 0) DESC, written, first
LIMIT 1

-- name: rolls_of --
SELECT alert.id, channel.name, roll.alert, roll.channel, first, size, places, written, question, without,
       roll.digest, roll.state, changed_at, reason
FROM roll
JOIN alert ON alert.ref = roll.alert
JOIN channel ON channel.ref = roll.channel
WHERE alert.id = ?
ORDER BY first

-- name: reserved --
SELECT coalesce(sum(n_pending + n_expired + n_cancelled), 0) FROM batch
WHERE id BETWEEN ? AND ? AND alert = ? AND channel = ?

-- name: free_batches --
UPDATE batch SET not_before = 0 WHERE id BETWEEN ? AND ? AND alert = ? AND channel = ?

-- name: write_on --
UPDATE roll SET written = ? WHERE alert = ? AND channel = ?

-- name: end_rolls --
UPDATE roll SET state = ?, changed_at = ?, reason = ? WHERE alert = ? AND state = 'pending'

-- name: drop_roll --
DELETE FROM roll WHERE alert = ? AND channel = ?

-- name: drop_parts --
DELETE FROM roll_part WHERE alert = ?
