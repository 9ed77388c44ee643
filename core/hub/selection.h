// Which files of a repository are wanted.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/hub/hub.h"

namespace toccata::hub {

struct Selection {
  bool original = false;                 // the files below original/ instead of those of the Hugging Face layout
  std::optional<std::string> gguf = {};  // GGUF files; "" = the only one, else a pattern or part of the name
  std::vector<std::string> include = {};  // patterns as for fnmatch, '*' matches '/' too; when given, only these
  std::vector<std::string> exclude = {};
};

// The wanted ones of `files`, in their order. kNotFound lists what there is; kInvalidArgument when a pattern fits GGUF
// files of more than one model.
Result<std::vector<HubFile>> select_files(const std::vector<HubFile>& files, const Selection& selection);

}  // namespace toccata::hub
