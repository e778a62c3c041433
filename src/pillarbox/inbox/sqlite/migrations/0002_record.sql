-- What happened around the mail and has to survive a restart: calls of webhooks, counts of rules.

CREATE TABLE record (
  number INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  octets BLOB NOT NULL,
  UNIQUE (kind, name)
) STRICT;
