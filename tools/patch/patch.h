// The patch format gpt-oss writes: parsed, and applied to texts in memory.
//
//   *** Begin Patch
//   *** Add File: P          then lines "+text"
//   *** Delete File: P
//   *** Update File: P       then perhaps *** Move to: Q, then hunks
//   @@ header                the hunk comes after this line of the file; may be empty, or left out in the first hunk
//    context / -old / +new   an empty line is empty context
//   *** End of File          the hunk is looked for at the end first
//   *** End Patch
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace toccata::tools {

struct Hunk {
  std::string header;              // "" = none
  std::vector<std::string> lines;  // each with its ' ', '-' or '+'
  bool at_end = false;
};

struct FileChange {
  enum class Kind { kAdd, kDelete, kUpdate };
  Kind kind = Kind::kUpdate;
  std::string path;
  std::string move_to;      // of an update; "" = stays
  std::string text;         // of an added file
  std::vector<Hunk> hunks;  // of an update
};

// kInvalidArgument names the line that is not understood.
Result<std::vector<FileChange>> parse_patch(std::string_view text);

// The text after the hunks. Context matches exactly, else ignoring blanks at line ends, else ignoring blanks at
// both ends; context keeps the file's own blanks, added lines the patch's. A hunk of added lines alone goes after its header,
// or, without one, to the end. The error is "Invalid context at N:" (lines from 0) and the context.
Result<std::string> apply_hunks(std::string_view text, const std::vector<Hunk>& hunks);

}  // namespace toccata::tools
