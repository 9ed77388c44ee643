#include "core/grammar/schema_refs.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "core/base/json.h"

namespace toccata::grammar {
namespace {

const Json* find(const Json& schema, const char* keyword) {
  const auto at = schema.find(keyword);
  return at == schema.end() ? nullptr : &*at;
}

bool is_before_2019(const Json& document) {
  const Json* draft = document.is_object() ? find(document, "$schema") : nullptr;
  if (draft == nullptr || !draft->is_string()) return false;
  const auto& name = draft->get_ref<const std::string&>();
  constexpr std::array kDrafts = {"draft-03/", "draft-04/", "draft-06/", "draft-07/"};
  return std::any_of(kDrafts.begin(), kDrafts.end(), [&](const char* known) { return name.find(known) != std::string::npos; });
}

}  // namespace

References::References(const Json& document) : document_(document), alone_(is_before_2019(document)) { find_anchors(document); }

const Json* References::in_place_of(const Json& schema) const {
  if (!alone_) return nullptr;
  const Json* reference = find(schema, "$ref");
  if (reference == nullptr) return nullptr;
  if (!reference->is_string()) throw Refusal{"$ref", &schema, "expected a string"};
  return &resolve(schema, reference->get_ref<const std::string&>());
}

void References::find_anchors(const Json& schema) {
  if (schema.is_object()) {
    for (const char* keyword : {"$anchor", "$dynamicAnchor"}) {
      const Json* name = find(schema, keyword);
      if (name != nullptr && name->is_string()) anchors_.emplace("#" + name->get<std::string>(), &schema);
    }
    for (const char* keyword : {"$id", "id"}) {
      const Json* name = find(schema, keyword);
      if (name != nullptr && name->is_string()) anchors_.emplace(name->get<std::string>(), &schema);
    }
  }
  if (schema.is_structured()) {
    for (const Json& child : schema) find_anchors(child);
  }
}

const Json& References::resolve(const Json& owner, const std::string& reference) const {
  if (const auto anchor = anchors_.find(reference); anchor != anchors_.end()) return *anchor->second;
  const std::size_t hash = reference.find('#');
  const std::string before = reference.substr(0, hash);
  const Json* root = &document_;
  if (!before.empty()) {
    const auto document = anchors_.find(before);
    if (document == anchors_.end()) {
      throw Refusal{"$ref", &owner, "'" + reference + "' is outside this schema"};
    }
    root = document->second;
  }
  if (hash == std::string::npos || hash + 1 == reference.size()) return *root;
  std::string pointer;
  for (std::size_t i = hash + 1; i < reference.size(); ++i) {  // percent escapes
    if (reference[i] == '%' && i + 2 < reference.size() && std::isxdigit(reference[i + 1]) != 0 &&
        std::isxdigit(reference[i + 2]) != 0) {
      pointer += static_cast<char>(std::stoi(reference.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      pointer += reference[i];
    }
  }
  try {
    const Json& found = root->at(Json::json_pointer(pointer));
    if (!found.is_object() && !found.is_boolean()) {
      throw Refusal{"$ref", &owner, "expected a schema, found " + json_text(found)};
    }
    return found;
  } catch (const Json::exception&) {
    throw Refusal{"$ref", &owner, "'" + reference + "' names nothing in this schema"};
  }
}

}  // namespace toccata::grammar
