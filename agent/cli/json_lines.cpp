#include "agent/cli/json_lines.h"

#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/json.h"

namespace toccata::cli {

using nlohmann::ordered_json;

int serve_json_lines(
    std::istream& in,
    std::ostream& out,
    const std::function<ordered_json(const ordered_json&)>& handle
) {
  std::string line;
  while (std::getline(in, line)) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    ordered_json reply = {{"id", nullptr}, {"result", nullptr}};
    try {
      const ordered_json request = json_from_valid<ordered_json>(line);
      if (!request.is_object()) throw std::invalid_argument("expected a JSON object on the line");
      if (const auto id = request.find("id"); id != request.end()) reply["id"] = *id;
      reply["result"] = handle(request);
    } catch (const std::exception& e) {
      reply["result"] = {{"error", e.what()}};
    }
    out << json_text(reply) << '\n' << std::flush;
  }
  return 0;
}

}  // namespace toccata::cli
