// Takes secret values out of texts, however a program may have spelled them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace toccata::tools {

struct Secret {
  std::string name, value;
  friend bool operator==(const Secret&, const Secret&) = default;
};

// Found is a value as it is; with any of its characters percent-encoded (twice too), JSON-escaped (\", \/, \u0041, at any
// depth of quoting), backslash-escaped (\x41, \$) or as an HTML reference; in base64 of either alphabet, also in the midst of a
// longer base64 text, and in hexadecimal: the last two with line breaks, blanks and colons between, and themselves escaped as
// above. Each becomes "[secret NAME]". What a program encrypts, compresses, reverses or gives in parts is not found.
// A value; one thread's writes aside, any number of threads may read it.
class Redactor {
 public:
  // Shorter ones would be found in ordinary text.
  static constexpr std::size_t kSecretBytesMin = 6;
  static constexpr std::size_t kSecretBytesMax = std::size_t{16} << 10;

  Redactor() = default;
  // Of values within these bounds; others are passed over.
  explicit Redactor(const std::vector<Secret>& secrets);

  bool empty() const { return needles_.empty(); }
  std::string redact(std::string_view text) const;
  // How many bytes of `text` hold nothing that could be the beginning of a secret whose rest is still to come.
  std::size_t settled_bytes(std::string_view text) const;

 private:
  enum class Kind { kText, kBase64, kHex };
  struct Needle {
    std::size_t secret = 0;  // in names_
    Kind kind = Kind::kText;
    std::string text;
  };
  struct Match {
    std::size_t end = 0;   // 0: none
    bool partial = false;  // the text ended before it could be told
  };
  void add(std::size_t secret, Kind kind, std::string text);
  Match match(const Needle& needle, std::string_view text, std::size_t at) const;
  // The longest of all; which `secret` it is.
  Match match_any(std::string_view text, std::size_t at, std::size_t& secret) const;

  std::vector<std::string> names_;
  std::vector<Needle> needles_;
  std::array<std::vector<std::uint32_t>, 256> starting_;  // needles that may begin with this byte
};

// A text that comes in pieces: what may be part of a secret waits for the next one.
class RedactingStream {
 public:
  // Borrows `redactor`.
  explicit RedactingStream(const Redactor& redactor) : redactor_(redactor) {}
  // What can be shown now.
  std::string push(std::string_view piece);
  // The rest.
  std::string finish();

 private:
  const Redactor& redactor_;
  std::string waiting_;
};

}  // namespace toccata::tools
