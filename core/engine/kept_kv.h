// Keys and values of a beginning, kept apart from the session that read it: what a prefix cache holds, and what a file of keys
// and values is made of, whatever device they are on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>

namespace toccata::engine {

using PutBytes = std::function<void(std::span<const std::byte>)>;
using GetBytes = std::function<bool(std::span<std::byte>)>;  // false: there are not so many

// Immutable; any thread.
class KeptKv {
 public:
  virtual ~KeptKv() = default;
  virtual std::int64_t size() const = 0;  // positions held
  // Whether a session can begin with the first `size` of them.
  virtual bool can_roll_back(std::int64_t size) const = 0;
  // Bytes of the pages that are not among `seen`, which they are afterwards.
  virtual std::size_t add_pages(std::set<const void*>& seen) const = 0;
  // All it holds, as bytes, one span after the other.
  virtual void save(const PutBytes& put) const = 0;
};

// Takes back what save() gave, of the same model and options. Null when `get` says that there is no more, or what comes is no such
// thing. Throws Exception(kResourceExhausted) when there is no room for it now.
using KvLoader = std::function<std::shared_ptr<const KeptKv>(const GetBytes& get)>;

}  // namespace toccata::engine
