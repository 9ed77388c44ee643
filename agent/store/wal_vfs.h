// An SQLite VFS that writes a commit to the write-ahead log in one go.
//
// SQLite writes each page of a commit to the log in two calls, 24 bytes of header and the page. Nobody reads them before
// the commit is published in the shared index, which comes after the last of them: so they are gathered and written
// together with the last, whose header says that it commits. An error of that write is the error of the commit.
// Everything else goes to the default VFS as it comes.
#pragma once

namespace toccata::store {

// The name to give sqlite3_open_v2(); null = the default VFS. Over what is the default at the time of the call.
const char* wal_vfs();

}  // namespace toccata::store
