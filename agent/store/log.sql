-- What each step appends to. The key is the run's number and the row's place in the run, in 32 bits each: such a table grows
-- by a page at its end, while one clustered by two columns (WITHOUT ROWID) moves rows between pages as it grows and writes
-- half as many pages again.

-- The token log: joined in order of seq (rollbacks applied) it is the session, byte for byte.
CREATE TABLE segments (
  key INTEGER PRIMARY KEY,        -- run << 32 | seq
  run INTEGER AS (key >> 32),
  seq INTEGER AS (key & 4294967295),  -- 0, 1, ... without gaps
  step INTEGER NOT NULL,
  kind TEXT NOT NULL,             -- prompt user sampled tool forced edited rollback
  tokens BLOB NOT NULL,           -- int32, little endian; for a rollback the tokens taken back
  tokens_blob INTEGER
) STRICT;

CREATE TABLE steps (
  key INTEGER PRIMARY KEY,        -- run << 32 | step
  run INTEGER AS (key >> 32),
  step INTEGER AS (key & 4294967295),  -- 1, 2, ...: one model call and its tools
  started_ms INTEGER NOT NULL,
  finished_ms INTEGER,            -- filled in at the end of the step, as is the rest
  prefilled INTEGER NOT NULL DEFAULT 0,
  decoded INTEGER NOT NULL DEFAULT 0,
  ended TEXT NOT NULL DEFAULT '',
  first_token_ms INTEGER          -- when the first token was sampled: where prefill ended; NULL: none was, or not known
) STRICT;

-- Messages in order. While one is being sampled only its first text may stand here and the rest stands in `pieces`; it moves
-- here when it is complete.
CREATE TABLE messages (
  key INTEGER PRIMARY KEY,        -- run << 32 | seq
  run INTEGER AS (key >> 32),
  seq INTEGER AS (key & 4294967295),  -- 0, 1, ...
  step INTEGER NOT NULL,
  role TEXT NOT NULL,
  name TEXT NOT NULL,             -- '' = absent, here and below
  channel TEXT NOT NULL,
  recipient TEXT NOT NULL,
  content_type TEXT NOT NULL,
  content TEXT NOT NULL,
  complete INTEGER NOT NULL,
  content_blob INTEGER
) STRICT;

-- The row is committed before the tool is called; a row without status is a call whose effect is unknown.
CREATE TABLE calls (
  key INTEGER PRIMARY KEY,        -- run << 32 | call
  run INTEGER AS (key >> 32),
  call INTEGER AS (key & 4294967295),  -- 1, 2, ...
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
  sandbox_cpu_us INTEGER          -- CPU time its programs used in the sandbox; NULL: none did, or not known
) STRICT;
