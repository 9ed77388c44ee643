// The JSON schema an answer has to satisfy.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/grammar/grammar.h"

namespace toccata::agent {

class OutputSchema {
 public:
  // kInvalidArgument for text that is no schema, kUnsupported naming keyword and path of one that cannot be enforced.
  static Result<OutputSchema> parse(std::string_view schema);

  const std::string& text() const { return text_; }
  // Why `answer` does not satisfy it; nullopt: it does. White space between tokens does not matter.
  std::optional<std::string> objection(std::string_view answer) const;
  // The end of the developer message's instructions that tells the model of it, in the words the models were trained
  // with (harmony format, "Structured output").
  std::string instructions() const;

 private:
  std::string text_, name_, description_;
  std::shared_ptr<const grammar::Grammar> grammar_;
};

}  // namespace toccata::agent
