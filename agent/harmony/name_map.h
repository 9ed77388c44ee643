// Tool names as a model can write them, and back.
//
// gpt-oss reads tool declarations as TypeScript and answers with identifiers: it writes `get_weather` for a tool that
// is called `get-weather`. So it is told identifiers in the first place, and what it calls is mapped back.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace toccata::harmony {

// A TypeScript identifier that looks like `name`: blanks, hyphens and dots become `_`, other characters that no
// identifier has are dropped, a leading digit gets a `_` before it. "tool" when nothing is left.
std::string identifier(std::string_view name);

// "namespace.function" <-> the same with the function as an identifier; of equal ones the later are numbered.
// A value; one thread at a time while it is filled.
class NameMap {
 public:
  // `name`: "functions.get-weather", or a bare "python". Returns what the model is told: "functions.get_weather".
  // The same name gives the same answer again.
  std::string add(std::string_view name);
  // nullopt: nothing of that name was added.
  std::optional<std::string> shown(std::string_view name) const;
  std::optional<std::string> original(std::string_view shown) const;
  // What the model may address, in the order of adding.
  const std::vector<std::string>& all_shown() const { return order_; }

 private:
  std::map<std::string, std::string, std::less<>> shown_, original_;
  std::vector<std::string> order_;
};

}  // namespace toccata::harmony
