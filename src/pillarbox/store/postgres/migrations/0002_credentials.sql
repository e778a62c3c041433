-- Credentials: who may log in.

-- Who may log in; what is kept of their secrets can be used by nobody to do so.
CREATE TABLE credential (
  name text PRIMARY KEY,
  kind text NOT NULL,  -- a value of CredentialKind
  account text NOT NULL,
  project text NOT NULL,
  is_sandbox boolean NOT NULL,
  scopes text NOT NULL,   -- JSON, as the senders: a list of texts
  senders text NOT NULL,
  created_at double precision NOT NULL,
  created_by text NOT NULL,
  expires_at double precision,
  revoked_at double precision,
  revoked_by text NOT NULL,
  generation bigint NOT NULL
);

CREATE INDEX credential_changed ON credential (generation);

-- One row a secret: the valid ones, the newest first, and the last former ones.
CREATE TABLE credential_secret (
  credential text NOT NULL,
  position integer NOT NULL,
  prefix text NOT NULL,
  verifier text NOT NULL,
  scram text NOT NULL,
  sealed bytea NOT NULL,
  created_at double precision NOT NULL,
  created_by text NOT NULL,
  ends_at double precision,
  ended_by text NOT NULL,
  is_former boolean NOT NULL,
  PRIMARY KEY (credential, position)
);

CREATE TABLE credential_use (
  name text PRIMARY KEY,
  at double precision NOT NULL,
  client text NOT NULL
);

-- One row: how many times a credential was saved.
CREATE TABLE credential_generation (
  number bigint NOT NULL
);

INSERT INTO credential_generation (number) VALUES (0);
