// Names that users type and names that a hub sends: what they stand for, and which are refused.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace toccata::hub {

// "20b", "gpt-oss-20b" -> "openai/gpt-oss-20b"; nullopt for a name that is no known short one.
std::optional<std::string> repo_of_short_name(std::string_view name);
// The repository of the same model as one GGUF file: "openai/gpt-oss-20b" -> "ggml-org/gpt-oss-20b-GGUF".
std::optional<std::string> gguf_repo_of(std::string_view repo);

// owner/name from an id or a short name. kInvalidArgument says what a name looks like.
Result<std::string> repo_of(const std::string& name);

// <cache>/models--owner--name
std::filesystem::path repository_folder(const std::filesystem::path& hub_cache, const std::string& repo);

// Why a path that a hub sent must not become a path here, or nullopt: absolute, "..", empty or over-long parts, control
// characters.
std::optional<std::string> defect_of_path(std::string_view path);

// Percent-encoded for a URL; slashes stay in a path, and are encoded in one component.
std::string encode_path(std::string_view path);
std::string encode_component(std::string_view text);

}  // namespace toccata::hub
