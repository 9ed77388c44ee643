#include "core/grammar/key_types.h"

#include <algorithm>
#include <map>

namespace toccata::grammar {
namespace {

// In the order they are declared; then those that only `required` and the dependencies name.
std::vector<std::string> declared_names(const Flat& flat) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  const auto add = [&](const std::string& name) {
    if (seen.insert(name).second) names.push_back(name);
  };
  for (const ObjectPart& part : flat.objects) {
    if (part.properties == nullptr) continue;
    for (const auto& [name, schema] : part.properties->items()) add(name);
  }
  for (const std::string& name : flat.required) add(name);
  for (const auto& [name, other] : flat.needs) {
    add(name);
    add(other);
  }
  return names;
}

struct Pattern {
  std::shared_ptr<const Dfa> dfa;
  const Json* schema;
  std::size_t part;
};

}  // namespace

KeyTypes key_types(Flattener& flattener, const Flat& flat) {
  KeyTypes out;
  out.declared = declared_names(flat);
  std::vector<std::vector<Symbol>> words;
  for (const std::string& name : out.declared) {
    words.push_back(code_points(name));
    out.value.push_back(flattener.property(flat, name));
  }
  const auto n = static_cast<std::int32_t>(words.size());
  std::vector<Pattern> patterns;
  for (std::size_t p = 0; p < flat.objects.size(); ++p) {
    if (flat.objects[p].patterns == nullptr) continue;
    for (const auto& [pattern, schema] : flat.objects[p].patterns->items()) {
      patterns.push_back({flattener.pattern_dfa(Json(pattern), flat.objects[p].patterns, "patternProperties"),
                          &flat.objects[p].patterns->at(pattern), p});
    }
  }
  std::vector<std::shared_ptr<const Dfa>> names;  // what propertyNames allows
  for (const Json* schema : flat.names) {
    const std::vector<Flat> alternatives = flattener.expand({schema});
    std::vector<Flat> of_strings;
    for (const Flat& a : alternatives) {
      if ((a.types & kStringType) != 0) of_strings.push_back(a);
    }
    if (of_strings.size() != 1) throw Refusal{"propertyNames", schema, "only one alternative of strings is supported"};
    Flat& only = of_strings[0];
    if (only.values) {
      std::vector<std::vector<Symbol>> list;
      for (const Json& v : *only.values) {
        if (v.is_string()) list.push_back(code_points(v.get_ref<const std::string&>()));
      }
      names.push_back(std::make_shared<const Dfa>(Dfa::words(list)));
    }
    auto dfa = flattener.string_dfa(only);
    if (!dfa && (only.length_min > 0 || only.length_max != kUnlimited)) {
      auto cut = with_length(Dfa::everything(), only.length_min, only.length_max, flattener.limits().states_max);
      if (!cut) throw Refusal{"propertyNames", schema, "the lengths need too many states"};
      dfa = std::make_shared<const Dfa>(std::move(*cut));
    }
    if (dfa) names.push_back(dfa);
  }
  // What must hold for the value of an undeclared key that matches these patterns.
  std::map<All, std::int32_t> tags;
  const auto tag_of_others = [&](const std::vector<char>& matched) -> std::int32_t {
    All all;
    const auto add = [&](const Json* schema) {
      const auto at = std::lower_bound(all.begin(), all.end(), schema);
      if (at == all.end() || *at != schema) all.insert(at, schema);
    };
    for (std::size_t p = 0; p < flat.objects.size(); ++p) {
      bool any = false;
      for (std::size_t i = 0; i < patterns.size(); ++i) {
        if (patterns[i].part != p || !matched[i]) continue;
        add(patterns[i].schema);
        any = true;
      }
      if (!any && flat.objects[p].others != nullptr) add(flat.objects[p].others);
    }
    for (const Json* schema : all) {
      if (schema->is_boolean() && !schema->get<bool>()) return -1;
    }
    const auto [at, is_new] = tags.emplace(all, n + static_cast<std::int32_t>(tags.size()));
    if (is_new) out.value.push_back(all);
    return at->second;
  };
  if (patterns.empty() && names.empty()) {
    out.keys = Dfa::words(words, tag_of_others({}));
    return out;
  }
  const Dfa declared = Dfa::words(words);
  std::vector<const Dfa*> parts{&declared};
  for (const Pattern& p : patterns) parts.push_back(p.dfa.get());
  for (const auto& dfa : names) parts.push_back(dfa.get());
  const std::size_t first_name = 1 + patterns.size();
  std::vector<char> matched(patterns.size());
  const bool others_possible = tag_of_others(std::vector<char>(patterns.size(), 0)) >= 0;
  auto keys = product(
      parts,
      [&](StateTuple t) -> std::int32_t {
        for (std::size_t i = first_name; i < t.size(); ++i) {
          if (!parts[i]->accepting(t[i])) return -1;
        }
        if (t[0] != kDead && declared.accepting(t[0])) return declared.tag(t[0]);
        for (std::size_t i = 0; i < patterns.size(); ++i) {
          matched[i] = t[i + 1] != kDead && parts[i + 1]->accepting(t[i + 1]) ? 1 : 0;
        }
        return tag_of_others(matched);
      },
      [&](StateTuple t) {
        for (std::size_t i = first_name; i < t.size(); ++i) {
          if (t[i] == kDead) return false;
        }
        if (others_possible) return true;
        return std::any_of(t.begin(), t.begin() + static_cast<std::ptrdiff_t>(first_name), [](std::int32_t q) {
          return q != kDead;
        });
      },
      flattener.limits().states_max
  );
  if (!keys) {
    throw Refusal{patterns.empty() ? "propertyNames" : "patternProperties", flat.where, "the names need too many states"};
  }
  out.keys = std::move(*keys);
  return out;
}

}  // namespace toccata::grammar
