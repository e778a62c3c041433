-- name: get
-- A note that has not expired.
SELECT kind, key, value, amount, expires_at FROM note
WHERE kind = ? AND key = ? AND expires_at > ?;

-- name: all
-- The notes of a kind that have not expired.
SELECT kind, key, value, amount, expires_at FROM note
WHERE kind = ? AND expires_at > ? ORDER BY key;

-- name: put
-- Keep a note in the place of the one that is there.
INSERT INTO note (kind, key, value, amount, expires_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (kind, key) DO UPDATE SET
  value = excluded.value, amount = excluded.amount, expires_at = excluded.expires_at;

-- name: add
-- Add to what is kept, from 0 where it has expired.
INSERT INTO note (kind, key, value, amount, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (kind, key) DO UPDATE SET
  value = excluded.value,
  amount = excluded.amount + CASE WHEN note.expires_at > ?6 THEN note.amount ELSE 0 END,
  expires_at = excluded.expires_at
RETURNING amount;

-- name: remove
-- Forget a note.
DELETE FROM note WHERE kind = ? AND key = ?;

-- name: sweep
-- Forget some of what has expired.
DELETE FROM note WHERE (kind, key) IN (
  SELECT kind, key FROM note WHERE expires_at <= ? LIMIT ?
) RETURNING 1;
