-- The ledger, version 6. One row in `runs` per run; every other table is clustered by (run, ...) and only ever appended
-- to, except where a column says it is filled in later. Times are milliseconds since 1970.
--
-- Texts and token segments of kBlobBytes and more stand in `blobs`, once, however many rows and forks use them: the
-- column itself is then empty and the one called *_blob names the blob.

CREATE TABLE runs (
  n INTEGER PRIMARY KEY,          -- what the other tables call `run`
  id TEXT NOT NULL UNIQUE,        -- sortable by time, see run_id.h
  created_ms INTEGER NOT NULL,
  task TEXT NOT NULL,             -- the first user message
  model TEXT NOT NULL,
  params TEXT NOT NULL,           -- JSON object
  sandbox TEXT NOT NULL,          -- level of protection reached
  process TEXT NOT NULL,          -- who writes it, see process_identity.h; tells running from interrupted
  finished_ms INTEGER,            -- this and all below are filled in when the run ends
  exit_code INTEGER,
  terminal_reason TEXT NOT NULL DEFAULT '',
  message TEXT NOT NULL DEFAULT '',
  final TEXT NOT NULL DEFAULT '',
  usage TEXT NOT NULL DEFAULT '{}',
  parent TEXT NOT NULL DEFAULT '',       -- id of the run this one was forked from
  parent_step INTEGER NOT NULL DEFAULT 0, -- the last step it shares with it
  caller TEXT NOT NULL DEFAULT '',          -- id of the run that made this one for itself: a sub-agent, a candidate
  caller_call INTEGER NOT NULL DEFAULT 0,   -- its call that did so; 0: none
  caller_part INTEGER NOT NULL DEFAULT 0    -- 1, 2, ...: which of those that one call, or none, made
) STRICT;
CREATE UNIQUE INDEX runs_made_by ON runs (caller, caller_call, caller_part) WHERE caller <> '';

CREATE TABLE blobs (
  n INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL UNIQUE,
  bytes BLOB NOT NULL             -- UTF-8 or int32 tokens, as the column says that refers to it
) STRICT;

-- The token log: joined in order of seq (rollbacks applied) it is the session, byte for byte.
CREATE TABLE segments (
  run INTEGER NOT NULL,
  seq INTEGER NOT NULL,           -- 0, 1, ... without gaps
  step INTEGER NOT NULL,
  kind TEXT NOT NULL,             -- prompt user sampled tool forced edited rollback
  tokens BLOB NOT NULL,           -- int32, little endian; for a rollback the tokens taken back
  tokens_blob INTEGER,
  PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE steps (
  run INTEGER NOT NULL,
  step INTEGER NOT NULL,          -- 1, 2, ...: one model call and its tools
  started_ms INTEGER NOT NULL,
  finished_ms INTEGER,            -- filled in at the end of the step, as is the rest
  prefilled INTEGER NOT NULL DEFAULT 0,
  decoded INTEGER NOT NULL DEFAULT 0,
  ended TEXT NOT NULL DEFAULT '',
  first_token_ms INTEGER,         -- when the first token was sampled: where prefill ended; NULL: none was, or not known
  PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;

-- Messages in order. While one is being sampled only its first text may stand here and the rest stands in `pieces`; it moves
-- here when it is complete.
CREATE TABLE messages (
  run INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  step INTEGER NOT NULL,
  role TEXT NOT NULL,
  name TEXT NOT NULL,             -- '' = absent, here and below
  channel TEXT NOT NULL,
  recipient TEXT NOT NULL,
  content_type TEXT NOT NULL,
  content TEXT NOT NULL,
  complete INTEGER NOT NULL,
  content_blob INTEGER,
  PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE pieces (
  run INTEGER NOT NULL,
  seq INTEGER NOT NULL,           -- of the message
  piece INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (run, seq, piece)
) STRICT, WITHOUT ROWID;

-- The row is committed before the tool is called; a row without status is a call whose effect is unknown.
CREATE TABLE calls (
  run INTEGER NOT NULL,
  call INTEGER NOT NULL,          -- 1, 2, ...
  step INTEGER NOT NULL,
  recipient TEXT NOT NULL,
  arguments TEXT NOT NULL,
  effect TEXT NOT NULL,           -- pure keyed effectful
  idempotency_key TEXT NOT NULL,
  started_ms INTEGER NOT NULL,
  finished_ms INTEGER,            -- filled in with the result, as is the rest
  status TEXT,                    -- ok failed stops_run refused unknown_tool malformed unknown
  author TEXT,
  content TEXT,
  metadata TEXT,                  -- JSON object
  arguments_blob INTEGER,
  content_blob INTEGER,
  full_blob INTEGER,              -- the whole output, where content is a part of it
  sandbox_cpu_us INTEGER,         -- CPU time its programs used in the sandbox; NULL: none did, or not known
  PRIMARY KEY (run, call)
) STRICT, WITHOUT ROWID;

-- Files of the session's /mnt/data as calls left them: of a path the row of the last call counts.
CREATE TABLE files (
  run INTEGER NOT NULL,
  call INTEGER NOT NULL,
  path TEXT NOT NULL,             -- relative to /mnt/data
  size INTEGER,                   -- NULL: gone, or too large to be kept
  bytes BLOB NOT NULL,
  bytes_blob INTEGER,
  PRIMARY KEY (run, call, path)
) STRICT, WITHOUT ROWID;

-- Facts that stand nowhere else: parser warnings, nudges, approvals, limits.
CREATE TABLE notes (
  run INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  step INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  kind TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;
