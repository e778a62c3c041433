-- name: get
-- A note that has not expired.
SELECT kind, key, value, amount, expires_at FROM note
WHERE kind = $1 AND key = $2 AND expires_at > $3;

-- name: all
-- The notes of a kind that have not expired.
SELECT kind, key, value, amount, expires_at FROM note
WHERE kind = $1 AND expires_at > $2 ORDER BY key COLLATE "C";

-- name: put
-- Keep a note in the place of the one that is there.
INSERT INTO note (kind, key, value, amount, expires_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (kind, key) DO UPDATE SET
  value = excluded.value, amount = excluded.amount, expires_at = excluded.expires_at;

-- name: add
-- Add to what is kept, from 0 where it has expired.
INSERT INTO note (kind, key, value, amount, expires_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (kind, key) DO UPDATE SET
  value = excluded.value,
  amount = excluded.amount + CASE WHEN note.expires_at > $6 THEN note.amount ELSE 0 END,
  expires_at = excluded.expires_at
RETURNING amount;

-- name: remove
-- Forget notes.
DELETE FROM note WHERE kind = $1 AND key = ANY($2::text[]);

-- name: sweep
-- Forget some of what has expired.
WITH gone AS (
  SELECT kind, key FROM note WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM note USING gone WHERE note.kind = gone.kind AND note.key = gone.key RETURNING 1;
