// Large texts, kept once: by the hash of what they hold.
#include <openssl/sha.h>

#include "agent/store/ledger_impl.h"

namespace toccata::store {

std::string sha256(std::string_view bytes) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(
      reinterpret_cast<const unsigned char*>(bytes.data()),
      bytes.size(),
      reinterpret_cast<unsigned char*>(hash.data())
  );
  return hash;
}

std::optional<std::int64_t> put_blob(WriteStatements& sql, std::span<const std::byte> bytes) {
  if (bytes.size() < kBlobBytes) return std::nullopt;
  const std::string hash = sha256({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  const std::span<const std::byte> key = std::as_bytes(std::span(hash));
  sql.find_blob.bind(key);
  const bool known = sql.find_blob.next();
  const std::int64_t n = known ? sql.find_blob.integer(0) : 0;
  sql.find_blob.reset();
  if (known) return n;
  sql.add_blob.bind(key, bytes).run();
  return sql.add_blob.last_row();
}

}  // namespace toccata::store
