// Who wrote what a run has read, and what follows from it.
//
// A page may hold instructions, and a model may follow them. So nothing a run is allowed to do grows with what it reads;
// once it has read what strangers wrote, two things shrink: what was approved beforehand only for the user's own words
// (ApprovalPolicy::Mode::kTrusted) is asked for, and an address that the model makes up may not carry what the run has
// learned on this machine.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tools/tool.h"

namespace toccata::agent {

class Trust {
 public:
  // The user's words and what was declared to the model: they may go anywhere.
  void tell(std::string_view text);
  // A result the model reads, and the arguments of its call. Private are trusted results, which come from this machine,
  // and what says so itself. What a result repeats of the arguments is the model's own, and nobody has shown it.
  void read(const tools::Provenance& provenance, std::string_view content, std::string_view arguments);

  // Whether the run has read what strangers wrote, and where that stood: at most kOriginsMax.
  bool has_read_untrusted() const { return !origins_.empty(); }
  const std::vector<std::string>& origins() const { return origins_; }

  // Why a call with these arguments (as the tool gets them) must not be made; none: nothing stands against it. Looked at
  // are addresses, strings and keys with "://", in calls of tools that reach out: as they are and undone from percent,
  // base64, hexadecimal and rot13 spelling, backwards too. Found is text of kSecretChars letters and digits with a digit
  // among them, or of kWordsChars without, that stands in a private result and nowhere else. What a person splits over
  // many addresses, or encrypts, is not found; nor what a program (ToolSpec::runs_code) puts together only as it runs, which
  // the list of hosts that it may reach has to bear.
  // Allowed is an address exactly as it was shown, and of one whose host was named only what follows the host is looked
  // at. Shown counts what was told, what strangers wrote, and what this machine's tools gave before the first stranger's
  // word was read: later ones may give what a stranger had the model write, and context.recall shows those again. What a
  // program printed that strangers have answered (Provenance::composed) never counts as shown.
  std::optional<std::string> objection(const tools::ToolSpec& tool, std::string_view arguments) const;

  static constexpr std::size_t kOriginsMax = 32;
  static constexpr std::size_t kSecretChars = 8;
  static constexpr std::size_t kWordsChars = 20;
  static constexpr std::size_t kOpaqueChars = 48;  // so long a word that nobody has shown may hide anything
  static constexpr std::size_t kAddressBytesMax = 8192;  // of one call, without those that were shown

 private:
  // Whether any of these plain texts carries what must not leave. Only `elsewhere` counts what programs put together.
  bool leaks(const std::vector<std::string>& texts, bool elsewhere) const;
  void show(std::string name);
  bool is_shown(std::string_view name) const { return shown_.contains(name); }

  std::vector<std::string> origins_;
  // Letters and digits in lower case; the oldest goes. Composed is private to everybody but the programs' own calls, whose hosts
  // have seen what they were sent.
  std::string private_, composed_, public_;
  std::set<std::string, std::less<>> shown_;  // addresses and names of hosts; emptied when they are too many
  std::size_t n_shown_bytes_ = 0;
};

// Spellings of control tokens, `<|start|>`, are broken up: "<¦start¦>". They are text for our models in any case; a reader
// further on may take them for more.
std::string without_control_spellings(std::string_view text);

// A result's metadata with its provenance, as the ledger keeps it, and back. Without one in it: trusted.
std::string with_provenance(const std::string& metadata, const tools::Provenance& provenance);
tools::Provenance provenance_in(const std::string& metadata);

}  // namespace toccata::agent
