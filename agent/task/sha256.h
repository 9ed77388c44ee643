// Content hashes of task files and rows, over parts that cannot run into each other.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace toccata::task {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  // One part: its length and its bytes.
  void add(std::string_view part);
  // Bytes as they are, without their length.
  void add_bytes(std::string_view bytes);
  // 64 hexadecimal digits. Ends it.
  std::string hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace toccata::task
