-- The schema as it is today: what all migrations add up to. For readers, and for a test.

-- Who has opened this file. A write is only done in the newest epoch of its node.
CREATE TABLE node (
  name TEXT PRIMARY KEY,
  epoch INTEGER NOT NULL,
  is_clean INTEGER NOT NULL  -- 0 while it is open, and after an unclean stop
) STRICT, WITHOUT ROWID;

-- The queue keys that recipients refer to by number.
CREATE TABLE queue (
  id INTEGER PRIMARY KEY,
  lane TEXT NOT NULL,
  destination TEXT NOT NULL,
  route TEXT NOT NULL,
  source TEXT NOT NULL,
  UNIQUE (lane, destination, route, source)
) STRICT;

-- One row a message; its id grows with the time at which it was accepted.
CREATE TABLE message (
  id INTEGER PRIMARY KEY,
  accepted_at REAL NOT NULL,
  sender_local TEXT,    -- NULL, like the domain, for the null reverse-path
  sender_domain TEXT,
  body_type TEXT NOT NULL,
  smtputf8 INTEGER NOT NULL,
  ret TEXT,
  envelope_id TEXT,
  size INTEGER NOT NULL,
  checksum INTEGER NOT NULL,  -- CRC-32 of the content
  header_size INTEGER NOT NULL,
  has_8bit INTEGER NOT NULL,
  has_long_lines INTEGER NOT NULL,
  message_id_header TEXT NOT NULL,
  origin TEXT NOT NULL,
  identity TEXT NOT NULL,
  client TEXT NOT NULL,
  bounce_of INTEGER,
  final_at REAL  -- when its last recipient was done, and its body went
) STRICT;

CREATE INDEX message_final ON message (final_at) WHERE final_at IS NOT NULL;

-- Contents of up to 64 KiB.
CREATE TABLE body (
  message INTEGER PRIMARY KEY,
  content BLOB NOT NULL
) STRICT;

-- Contents of more, written while they arrive; orphans until their message is kept.
CREATE TABLE chunk (
  message INTEGER NOT NULL,
  number INTEGER NOT NULL,
  content BLOB NOT NULL,
  PRIMARY KEY (message, number)
) STRICT, WITHOUT ROWID;

-- One row a recipient; the numbers of the states are those of RecipientState.
CREATE TABLE recipient (
  message INTEGER NOT NULL,
  position INTEGER NOT NULL,
  queue INTEGER NOT NULL,
  state INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  crashes INTEGER NOT NULL,
  next_attempt_at REAL,
  last_reply TEXT NOT NULL,
  delay_notified INTEGER NOT NULL,
  local_part TEXT NOT NULL,
  domain TEXT NOT NULL,
  notify INTEGER,
  original TEXT,
  PRIMARY KEY (message, position)
) STRICT, WITHOUT ROWID;

-- What will be due, by queue (to load fairly) and by time (to know when to wake up).
CREATE INDEX recipient_due ON recipient (queue, next_attempt_at)
WHERE next_attempt_at IS NOT NULL;
CREATE INDEX recipient_time ON recipient (next_attempt_at)
WHERE next_attempt_at IS NOT NULL;

-- What is in flight (1), uncertain (3) or held (5): few, and asked for at each start.
CREATE INDEX recipient_unsettled ON recipient (state) WHERE state IN (1, 3, 5);

-- Events and conversations: compressed parts, and which message is in which.
CREATE TABLE journal (
  day INTEGER NOT NULL,  -- since 1970-01-01
  number INTEGER NOT NULL,
  entries BLOB NOT NULL,
  PRIMARY KEY (day, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE journal_message (
  day INTEGER NOT NULL,
  message INTEGER NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (day, message, number)
) STRICT, WITHOUT ROWID;

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
