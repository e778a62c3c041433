-- name: credential_generation
-- The generation of what was saved last.
SELECT number FROM credential_generation;

-- name: next_generation
-- Number the save that is under way.
UPDATE credential_generation SET number = number + 1 RETURNING number;

-- name: changed_credentials
-- What was saved after a generation.
SELECT name, kind, account, project, is_sandbox, scopes, senders, created_at, created_by,
  expires_at, revoked_at, revoked_by, generation
FROM credential WHERE generation > $1 ORDER BY generation;

-- name: changed_secrets
-- The secrets of those, the newest of each first.
SELECT s.credential, s.position, s.prefix, s.verifier, s.scram, s.sealed, s.created_at,
  s.created_by, s.ends_at, s.ended_by, s.is_former
FROM credential_secret s JOIN credential c ON c.name = s.credential
WHERE c.generation > $1 ORDER BY s.credential, s.position;

-- name: kept_generation
-- The generation in which a credential was saved.
SELECT generation FROM credential WHERE name = $1;

-- name: save_credential
-- Save a credential, whose old generation was looked at before.
INSERT INTO credential (name, kind, account, project, is_sandbox, scopes, senders, created_at,
  created_by, expires_at, revoked_at, revoked_by, generation)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, account = excluded.account,
  project = excluded.project, is_sandbox = excluded.is_sandbox, scopes = excluded.scopes,
  senders = excluded.senders, created_at = excluded.created_at,
  created_by = excluded.created_by, expires_at = excluded.expires_at,
  revoked_at = excluded.revoked_at, revoked_by = excluded.revoked_by,
  generation = excluded.generation;

-- name: forget_secrets
-- Make room for the secrets that a credential has now.
DELETE FROM credential_secret WHERE credential = $1;

-- name: save_secret
-- Save a secret.
INSERT INTO credential_secret (credential, position, prefix, verifier, scram, sealed, created_at,
  created_by, ends_at, ended_by, is_former)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: note_use
-- Note when a credential was last used.
INSERT INTO credential_use (name, at, client) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET at = excluded.at, client = excluded.client
WHERE excluded.at > credential_use.at;

-- name: uses
-- When each credential was last used.
SELECT name, at, client FROM credential_use ORDER BY name;
