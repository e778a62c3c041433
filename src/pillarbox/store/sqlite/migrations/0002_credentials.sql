-- Credentials: who may log in.

-- Who may log in; what is kept of their secrets can be used by nobody to do so.
CREATE TABLE credential (
  name TEXT PRIMARY KEY,
  kind TEXT NOT NULL,  -- a value of CredentialKind
  account TEXT NOT NULL,
  project TEXT NOT NULL,
  is_sandbox INTEGER NOT NULL,
  scopes TEXT NOT NULL,   -- JSON, as the senders: a list of texts
  senders TEXT NOT NULL,
  created_at REAL NOT NULL,
  created_by TEXT NOT NULL,
  expires_at REAL,
  revoked_at REAL,
  revoked_by TEXT NOT NULL,
  generation INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX credential_changed ON credential (generation);

-- One row a secret: the valid ones, the newest first, and the last former ones.
CREATE TABLE credential_secret (
  credential TEXT NOT NULL,
  position INTEGER NOT NULL,
  prefix TEXT NOT NULL,
  verifier TEXT NOT NULL,
  scram TEXT NOT NULL,
  sealed BLOB NOT NULL,
  created_at REAL NOT NULL,
  created_by TEXT NOT NULL,
  ends_at REAL,
  ended_by TEXT NOT NULL,
  is_former INTEGER NOT NULL,
  PRIMARY KEY (credential, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE credential_use (
  name TEXT PRIMARY KEY,
  at REAL NOT NULL,
  client TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: how many times a credential was saved.
CREATE TABLE credential_generation (
  number INTEGER NOT NULL
) STRICT;

INSERT INTO credential_generation (number) VALUES (0);
