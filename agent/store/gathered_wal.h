// An SQLite VFS under which the frames of a commit reach the write-ahead log in one write.
//
// SQLite writes a log frame by frame, each in two calls (24 bytes of header, then the page): eleven calls a commit, a
// fifth of what a step of an agent costs. Here a log file's new frames wait in memory until the frame that commits
// them (its header says so: https://sqlite.org/fileformat2.html#the_write_ahead_log, bytes 4 to 7 are not 0) and then go
// out together, before the commit returns and before any reader is told of it. A failure is the commit's. What waits is
// never committed: losing it with the process loses nothing. All other files and calls are the system's own.
//
// A connection must not write frames before it commits (PRAGMA cache_spill = OFF): those of a transaction that is rolled
// back would wait, and stand in another writer's way.
#pragma once

namespace toccata::store {

// The name to open a connection with; it stands over the VFS that is the default now. Any thread.
const char* gathering_vfs();

}  // namespace toccata::store
