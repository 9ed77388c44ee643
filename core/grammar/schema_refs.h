// References within one schema document. Not for users.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>

namespace toccata::grammar {

using Json = nlohmann::ordered_json;

// Thrown inside the compiler; `at` is the schema object that has the keyword.
struct Refusal {
  std::string keyword;
  const Json* at;
  std::string message;
};

class References {
 public:
  // The document must outlive it.
  explicit References(const Json& document);

  // What `reference` of `owner` names: an anchor, an $id, a JSON pointer. Throws Refusal when that is nothing here.
  const Json& resolve(const Json& owner, const std::string& reference) const;
  // The schema that stands in place of this one, where a $ref makes the words beside it say nothing: in drafts 3 to 7, as
  // $schema of the document names them. Null otherwise.
  const Json* in_place_of(const Json& schema) const;

 private:
  void find_anchors(const Json& schema);

  const Json& document_;
  bool alone_ = false;
  std::unordered_map<std::string, const Json*> anchors_;
};

}  // namespace toccata::grammar
