-- Notes: small values that end by themselves.

-- Small values of several parts of a node: fetched policies, counts, who was seen before.
CREATE TABLE note (
  kind text NOT NULL,
  key text NOT NULL,
  value bytea NOT NULL,
  amount bigint NOT NULL,
  expires_at double precision NOT NULL,
  PRIMARY KEY (kind, key)
);

CREATE INDEX note_expires ON note (expires_at);
