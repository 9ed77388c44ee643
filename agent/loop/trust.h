// Who wrote what a run has read, and what follows from it.
//
// A page may hold instructions, and a model may follow them. So nothing a run is allowed to do grows with what it reads;
// once it has read what strangers wrote, two things shrink: what was approved beforehand only for the user's own words
// (ApprovalPolicy::Mode::kTrusted) is asked for, and an address that the model makes up may not carry what the run has
// learned on this machine.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/tool.h"

namespace toccata::agent {

class Trust {
 public:
  // The user's words and what was declared to the model: they may go anywhere.
  void tell(std::string_view text) { add(public_, text); }
  // A result the model reads. Trusted results are private: they come from this machine.
  void read(const tools::Provenance& provenance, std::string_view content);

  // Whether the run has read what strangers wrote, and where that stood: at most kOriginsMax.
  bool has_read_untrusted() const { return !origins_.empty(); }
  const std::vector<std::string>& origins() const { return origins_; }

  // Why a call with these arguments must not be made; none: nothing stands against it. Looked at are addresses in calls
  // of tools that reach out, as they are and undone from percent, base64, hexadecimal and rot13 spelling, backwards too.
  // Found is text of kSecretChars letters and digits with a digit among them, or of kWordsChars without, that stands in a
  // private result and nowhere else. What a person splits over many addresses, or encrypts, is not found.
  std::optional<std::string> objection(const tools::ToolSpec& tool, std::string_view arguments) const;

  static constexpr std::size_t kOriginsMax = 32;
  static constexpr std::size_t kSecretChars = 8;
  static constexpr std::size_t kWordsChars = 20;
  static constexpr std::size_t kOpaqueChars = 48;  // so long a word that nobody has shown may hide anything

 private:
  // Letters and digits in lower case; the oldest goes.
  static void add(std::string& to, std::string_view text);
  bool leaks(std::string_view text) const;

  std::vector<std::string> origins_;
  std::string private_, public_;
};

// Spellings of control tokens, `<|start|>`, are broken up: "<¦start¦>". They are text for our models in any case; a reader
// further on may take them for more.
std::string without_control_spellings(std::string_view text);

// A result's metadata with its provenance, as the ledger keeps it, and back. Without one in it: trusted.
std::string with_provenance(const std::string& metadata, const tools::Provenance& provenance);
tools::Provenance provenance_in(const std::string& metadata);

}  // namespace toccata::agent
