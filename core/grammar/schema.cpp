#include "core/grammar/schema.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "core/base/json.h"
#include "core/grammar/key_types.h"
#include "core/grammar/schema_flat.h"

namespace toccata::grammar {
namespace {

constexpr int kJsonDepthMax = 200;

std::vector<Symbol> bytes_of(const std::string& text) {
  std::vector<Symbol> out;
  for (const char c : text) out.push_back(static_cast<unsigned char>(c));
  return out;
}

int depth_of(const Json& value, int so_far) {
  int deepest = so_far;
  if (value.is_structured() && so_far <= kJsonDepthMax) {
    for (const Json& child : value) deepest = std::max(deepest, depth_of(child, so_far + 1));
  }
  return deepest;
}

// The JSON pointer to `wanted` below `from`; false when it is not there.
bool find_path(const Json& from, const Json* wanted, std::string& path) {
  if (&from == wanted) return true;
  if (!from.is_structured()) return false;
  std::size_t i = 0;
  for (const auto& [key, child] : from.items()) {
    std::string name = from.is_array() ? std::to_string(i++) : key;
    if (from.is_object()) {
      for (std::size_t at = 0; (at = name.find_first_of("~/", at)) != std::string::npos; at += 2) {
        name.replace(at, 1, name[at] == '~' ? "~0" : "~1");
      }
    }
    const std::size_t length = path.size();
    path += '/' + name;
    if (find_path(child, wanted, path)) return true;
    path.resize(length);
  }
  return false;
}

class Compiler {
 public:
  Compiler(const Json& document, const SchemaLimits& limits) : flattener_(document, limits), limits_(limits) {}

  std::shared_ptr<const Grammar> compile(const Json& document) {
    grammar_.root = node(All{&document});
    while (!pending_.empty()) {
      const auto [index, all] = pending_.back();
      pending_.pop_back();
      for (const Flat& flat : flattener_.expand(all)) add_alternative(index, flat);
    }
    prune();
    const Node& root = grammar_.nodes[grammar_.root];
    if (root.lexemes.empty() && root.objects.empty() && root.arrays.empty()) {
      throw Refusal{"", &document, "no value satisfies this schema"};
    }
    return std::make_shared<const Grammar>(std::move(grammar_));
  }

 private:
  int node(const All& all) {
    const auto [at, is_new] = nodes_.emplace(all, static_cast<int>(grammar_.nodes.size()));
    if (is_new) {
      if (static_cast<int>(grammar_.nodes.size()) >= limits_.nodes_max) {
        throw Refusal{"", all.empty() ? nullptr : all[0], "the schema is too large"};
      }
      grammar_.nodes.emplace_back();
      pending_.emplace_back(at->second, all);
    }
    return at->second;
  }

  void add_lexeme(int index, Lexeme lexeme) {
    if (lexeme.dfa->empty()) return;
    grammar_.nodes[index].lexemes.push_back(static_cast<int>(grammar_.lexemes.size()));
    grammar_.lexemes.push_back(std::move(lexeme));
  }
  void add_literals(int index, const std::vector<std::string>& literals) {
    if (literals.empty()) return;
    std::vector<std::vector<Symbol>> words;
    for (const std::string& literal : literals) words.push_back(bytes_of(literal));
    add_lexeme(index, {Lexeme::Form::kBytes, std::make_shared<const Dfa>(Dfa::words(words))});
  }

  void add_alternative(int index, const Flat& flat) {
    if (flat.values) return add_values(index, flat);
    const auto excluded = [&](const Json& value) {
      return std::find(flat.not_values.begin(), flat.not_values.end(), value) != flat.not_values.end();
    };
    std::vector<std::string> literals;
    if ((flat.types & kNull) != 0 && !excluded(nullptr)) literals.emplace_back("null");
    if ((flat.types & kBoolean) != 0) {
      if (!excluded(true)) literals.emplace_back("true");
      if (!excluded(false)) literals.emplace_back("false");
    }
    add_literals(index, literals);
    if ((flat.types & (kInteger | kFraction)) != 0) {
      refuse_excluded(flat, kInteger | kFraction);
      add_lexeme(index, {Lexeme::Form::kBytes, flattener_.number_dfa_of(flat)});
    }
    if ((flat.types & kStringType) != 0) add_string(index, flat);
    if ((flat.types & kObject) != 0) {
      refuse_excluded(flat, kObject);
      add_object(index, flat);
    }
    if ((flat.types & kArray) != 0) {
      refuse_excluded(flat, kArray);
      add_array(index, flat);
    }
  }

  static void refuse_excluded(const Flat& flat, unsigned types) {
    for (const Json& value : flat.not_values) {
      if ((type_of(value) & types) != 0) {
        throw Refusal{"not", flat.where, "only strings, booleans and null can be excluded, not " + json_text(value)};
      }
    }
  }

  void add_string(int index, const Flat& flat) {
    if (const auto dfa = flattener_.string_dfa(flat)) return add_lexeme(index, {Lexeme::Form::kString, dfa});
    if (flat.length_min > flat.length_max) return;
    if (!any_string_) any_string_ = std::make_shared<const Dfa>(Dfa::everything());
    add_lexeme(index, {Lexeme::Form::kString, any_string_, flat.length_min, flat.length_max});
  }

  // enum and const: each value is checked against what stands beside it.
  void add_values(int index, const Flat& flat) {
    std::vector<std::vector<Symbol>> strings;
    std::vector<std::string> literals;
    Flat rest = flat;
    rest.values.reset();
    std::shared_ptr<const Dfa> text, number;
    for (const Json& value : *flat.values) {
      const unsigned type = type_of(value);
      if ((type & flat.types) == 0) continue;
      if (std::find(flat.not_values.begin(), flat.not_values.end(), value) != flat.not_values.end()) continue;
      if (type == kStringType) {
        if (!text) text = flattener_.string_dfa(rest);
        const std::vector<Symbol> word = code_points(value.get_ref<const std::string&>());
        const auto length = static_cast<std::int64_t>(word.size());
        if (length < flat.length_min || length > flat.length_max || (text && !text->accepts(word))) continue;
        strings.push_back(word);
      } else if (type == kInteger || type == kFraction) {
        const bool checked = flat.range.low || flat.range.high || !flat.divisors.empty();
        if (checked && !number) number = flattener_.number_dfa_of(rest);
        const std::string spelled = spell(value);
        if (checked && !number->accepts(bytes_of(spelled))) continue;
        literals.push_back(spelled);
      } else if (type == kObject || type == kArray) {
        const bool checked = type == kObject ? !flat.objects.empty() || !flat.required.empty() ||
                                                   !flat.names.empty() || !flat.needs.empty() ||
                                                   flat.properties_min > 0 || flat.properties_max != kUnlimited
                                             : !flat.arrays.empty() || flat.items_min > 0 ||
                                                   flat.items_max != kUnlimited;
        if (checked) throw Refusal{"enum", flat.where, "objects and arrays beside other restrictions"};
        literals.push_back(json_text(value));
        add_spaced(value, literals);
      } else {
        literals.push_back(json_text(value));
      }
    }
    if (!strings.empty()) {
      add_lexeme(index, {Lexeme::Form::kString, std::make_shared<const Dfa>(Dfa::words(strings))});
    }
    add_literals(index, literals);
  }

  // A number that is whole is written without fraction.
  static std::string spell(const Json& number) {
    const Decimal value = Decimal::of(number);
    if (value.digits.size() > 19) return json_text(number);
    return (value.negative ? "-" : "") + value.digits + (value.fraction.empty() ? "" : "." + value.fraction);
  }
  // The writing with a space after ':' and ','.
  static void add_spaced(const Json& value, std::vector<std::string>& literals) {
    const std::string compact = json_text(value);
    std::string spaced;
    bool in_string = false;
    for (std::size_t i = 0; i < compact.size(); ++i) {
      const char c = compact[i];
      spaced += c;
      if (in_string && c == '\\') {
        spaced += compact[++i];
      } else if (c == '"') {
        in_string = !in_string;
      } else if (!in_string && (c == ',' || c == ':')) {
        spaced += ' ';
      }
    }
    if (spaced != compact) literals.push_back(spaced);
  }

  void add_object(int index, const Flat& flat) {
    KeyTypes types = key_types(flattener_, flat);
    ObjectType object;
    object.keys = std::move(types.keys);
    object.n_declared = static_cast<int>(types.declared.size());
    std::map<std::string, int> tags;
    for (int i = 0; i < object.n_declared; ++i) tags[types.declared[i]] = i;
    for (const All& all : types.value) object.value.push_back(node(all));
    for (const std::string& name : flat.required) set_bit(object.required, tags.at(name));
    if (!flat.needs.empty()) {
      object.needs.resize(object.n_declared);
      for (const auto& [name, other] : flat.needs) set_bit(object.needs[tags.at(name)], tags.at(other));
      if (flat.properties_max != kUnlimited) {
        throw Refusal{"maxProperties", flat.where, "together with dependencies"};
      }
    }
    object.properties_min = flat.properties_min;
    object.properties_max = flat.properties_max;
    owners_.push_back(flat.where);
    grammar_.nodes[index].objects.push_back(static_cast<int>(grammar_.objects.size()));
    grammar_.objects.push_back(std::move(object));
  }

  void add_array(int index, const Flat& flat) {
    ArrayType array;
    std::size_t n_prefix = 0;
    for (const ArrayPart& part : flat.arrays) {
      if (part.prefix != nullptr) n_prefix = std::max(n_prefix, part.prefix->size());
    }
    const auto item = [&](std::size_t i) {
      All all;
      for (const ArrayPart& part : flat.arrays) {
        const Json* schema = part.items;
        if (part.prefix != nullptr && i < part.prefix->size()) schema = &(*part.prefix)[i];
        if (schema == nullptr) continue;
        const auto at = std::lower_bound(all.begin(), all.end(), schema);
        if (at == all.end() || *at != schema) all.insert(at, schema);
      }
      return node(all);
    };
    for (std::size_t i = 0; i < n_prefix; ++i) array.prefix.push_back(item(i));
    array.items = item(n_prefix);
    array.items_min = flat.items_min;
    array.items_max = flat.items_max;
    grammar_.nodes[index].arrays.push_back(static_cast<int>(grammar_.arrays.size()));
    grammar_.arrays.push_back(std::move(array));
  }

  // --- What can be finished: without it a mask could lead where no end is. ---------------------------------------------

  void prune() {
    std::vector<char> good(grammar_.nodes.size(), 0);
    std::vector<char> good_object(grammar_.objects.size(), 0), good_array(grammar_.arrays.size(), 0);
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t i = 0; i < grammar_.objects.size(); ++i) {
        if (!good_object[i] && object_is_good(grammar_.objects[i], good)) good_object[i] = changed = true;
      }
      for (std::size_t i = 0; i < grammar_.arrays.size(); ++i) {
        if (!good_array[i] && array_is_good(grammar_.arrays[i], good)) good_array[i] = changed = true;
      }
      for (std::size_t i = 0; i < grammar_.nodes.size(); ++i) {
        if (good[i]) continue;
        const Node& n = grammar_.nodes[i];
        const bool now = !n.lexemes.empty() ||
                         std::any_of(n.objects.begin(), n.objects.end(), [&](int o) { return good_object[o]; }) ||
                         std::any_of(n.arrays.begin(), n.arrays.end(), [&](int a) { return good_array[a]; });
        if (now) good[i] = changed = true;
      }
    }
    for (Node& n : grammar_.nodes) {
      std::erase_if(n.objects, [&](int o) { return !good_object[o]; });
      std::erase_if(n.arrays, [&](int a) { return !good_array[a]; });
    }
    for (std::size_t i = 0; i < grammar_.objects.size(); ++i) {
      ObjectType& object = grammar_.objects[i];
      object.usable = usable_tags(object, good);
      if (good_object[i]) check_minimum(object, owners_[i]);
    }
    for (ArrayType& array : grammar_.arrays) {
      if (!good[array.items]) {
        array.items = -1;
        array.items_max = std::min<std::int64_t>(array.items_max, static_cast<std::int64_t>(array.prefix.size()));
      }
      for (std::size_t i = 0; i < array.prefix.size(); ++i) {
        if (!good[array.prefix[i]]) array.items_max = std::min<std::int64_t>(array.items_max, static_cast<std::int64_t>(i));
      }
    }
  }

  // Tags whose value can be written, and what they need as well.
  static Bits usable_tags(const ObjectType& object, const std::vector<char>& good) {
    std::vector<char> reachable(object.value.size(), 0);
    for (int q = 0; q < object.keys.size(); ++q) {
      if (object.keys.accepting(q)) reachable[object.keys.tag(q)] = 1;
    }
    std::vector<char> usable(object.value.size(), 0);
    for (std::size_t tag = 0; tag < object.value.size(); ++tag) usable[tag] = good[object.value[tag]] && reachable[tag];
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t tag = 0; tag < object.needs.size(); ++tag) {
        for (int other = 0; usable[tag] && other < object.n_declared; ++other) {
          if (!has_bit(object.needs[tag], other) || usable[other]) continue;
          usable[tag] = 0;
          changed = true;
        }
      }
    }
    Bits bits;
    for (std::size_t tag = 0; tag < usable.size(); ++tag) {
      if (usable[tag]) set_bit(bits, static_cast<int>(tag));
    }
    return bits;
  }

  static bool object_is_good(const ObjectType& object, const std::vector<char>& good) {
    const Bits usable = usable_tags(object, good);
    std::int64_t n_required = 0, n_declared = 0;
    bool others = false;
    for (int tag = 0; tag < static_cast<int>(object.value.size()); ++tag) {
      if (tag < object.n_declared) {
        if (has_bit(object.required, tag)) {
          ++n_required;
          if (!has_bit(usable, tag)) return false;
        }
        n_declared += has_bit(usable, tag) ? 1 : 0;
      } else {
        others = others || has_bit(usable, tag);
      }
    }
    return std::max(n_required, object.properties_min) <= object.properties_max &&
           (others || object.properties_min <= n_declared);
  }

  // Undeclared keys may repeat, so only one of them counts towards minProperties.
  static void check_minimum(const ObjectType& object, const Json* owner) {
    std::int64_t distinct = 0;
    bool others = false;
    for (int tag = 0; tag < static_cast<int>(object.value.size()); ++tag) {
      if (!has_bit(object.usable, tag)) continue;
      if (tag < object.n_declared) {
        ++distinct;
      } else {
        others = true;
      }
    }
    if (object.properties_min > distinct + (others ? 1 : 0)) {
      throw Refusal{"minProperties", owner, "more undeclared properties than one can not be enforced"};
    }
  }

  static bool array_is_good(const ArrayType& array, const std::vector<char>& good) {
    if (array.items_min > array.items_max) return false;
    const auto n = static_cast<std::int64_t>(array.prefix.size());
    for (std::int64_t i = 0; i < std::min(n, array.items_min); ++i) {
      if (!good[array.prefix[i]]) return false;
    }
    return array.items_min <= n || good[array.items];
  }

  Flattener flattener_;
  const SchemaLimits limits_;
  Grammar grammar_;
  std::map<All, int> nodes_;
  std::vector<std::pair<int, All>> pending_;
  std::vector<const Json*> owners_;  // [object]
  std::shared_ptr<const Dfa> any_string_;
};

}  // namespace

std::string SchemaError::text() const {
  std::string out = keyword.empty() ? "the schema" : keyword;
  return out + " at " + (path.empty() ? "/" : path) + ": " + message;
}

CompiledSchema compile_schema(const Json& schema, const SchemaLimits& limits) {
  if (depth_of(schema, 0) > kJsonDepthMax) {
    return SchemaError{"", "", "nested deeper than " + std::to_string(kJsonDepthMax) + " levels"};
  }
  try {
    return Compiler(schema, limits).compile(schema);
  } catch (const Refusal& refusal) {
    std::string path;
    if (refusal.at == nullptr || !find_path(schema, refusal.at, path)) path.clear();
    return SchemaError{refusal.keyword, path, refusal.message};
  }
}

CompiledSchema compile_schema_text(std::string_view schema_text, const SchemaLimits& limits) {
  try {
    return compile_schema(json_from_valid<Json>(schema_text), limits);
  } catch (const Json::exception& failure) {
    return SchemaError{"", "", std::string("not JSON: ") + failure.what()};
  }
}

}  // namespace toccata::grammar
