-- Notes: small values that end by themselves.

-- Small values of several parts of a node: fetched policies, counts, who was seen before.
CREATE TABLE note (
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  amount INTEGER NOT NULL,
  expires_at REAL NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX note_expires ON note (expires_at);
