// Keys and values on disk: what one process has read, for the next one. A file belongs to one model with one set of options, and says
// itself what tokens it holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "core/base/error.h"
#include "core/base/token.h"
#include "core/engine/kept_kv.h"

namespace toccata::engine {

// `model`: Model::fingerprint(). Whole or not at all; readable for the user alone. Requires kept.size() == tokens.size().
Result<void> write_kv_file(const std::filesystem::path& path, std::uint64_t model, std::span<const Token> tokens, const KeptKv& kept);

// The tokens alone. kCorrupt for what is no such file or is cut short, kUnsupported for one of another model.
Result<Tokens> read_kv_tokens(const std::filesystem::path& path, std::uint64_t model);

// `load`: kv_loader() of the model. The checksum covers every byte. kResourceExhausted when there is no room for it now.
Result<std::shared_ptr<const KeptKv>> read_kv_file(const std::filesystem::path& path, std::uint64_t model, const KvLoader& load);

// 64 bits that change with every byte; no defence against who wants a collision. `so_far`: of what stands before.
std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t so_far = 0);

}  // namespace toccata::engine
