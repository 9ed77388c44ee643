#include "core/grammar/schema_flat.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/base/json.h"
#include "core/grammar/format.h"
#include "core/grammar/regex.h"

namespace toccata::grammar {
namespace {

constexpr int kDepthMax = 64;
constexpr int kExclusiveDepthMax = 3;

// Keywords that restrict values and that we do not enforce.
constexpr std::array kRefused = {
    "if",           "then",        "else",           "contains",    "minContains",     "maxContains",
    "$dynamicRef",  "$recursiveRef", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties",
    "extends",      "disallow",    "divisibleBy"};

const Json* find(const Json& schema, const char* keyword) {
  const auto at = schema.find(keyword);
  return at == schema.end() ? nullptr : &*at;
}

unsigned type_named(const Json& name, const Json& schema) {
  static const std::array<std::pair<const char*, unsigned>, 7> kNames = {{
      {"null", kNull}, {"boolean", kBoolean}, {"integer", kInteger}, {"number", kInteger | kFraction},
      {"string", kStringType}, {"object", kObject}, {"array", kArray}}};
  if (name.is_string()) {
    for (const auto& [known, bits] : kNames) {
      if (name.get_ref<const std::string&>() == known) return bits;
    }
  }
  throw Refusal{"type", &schema, "unknown type " + json_text(name)};
}

std::int64_t count(const Json& schema, const char* keyword, std::int64_t otherwise) {
  const Json* value = find(schema, keyword);
  if (value == nullptr) return otherwise;
  if (!value->is_number()) throw Refusal{keyword, &schema, "expected a number, found " + json_text(*value)};
  const double number = value->get<double>();
  if (number < 0 || number != std::floor(number)) {
    throw Refusal{keyword, &schema, "expected a whole number, found " + json_text(*value)};
  }
  return number > 1e15 ? kUnlimited : static_cast<std::int64_t>(number);
}

void expect_schema(const Json& value, const char* keyword, const Json& owner) {
  if (!value.is_object() && !value.is_boolean()) {
    throw Refusal{keyword, &owner, "expected a schema, found " + json_text(value)};
  }
}

void append(All& to, const Json* schema) {
  const auto at = std::lower_bound(to.begin(), to.end(), schema);
  if (at == to.end() || *at != schema) to.insert(at, schema);
}

void tighten(NumberRange& range, const std::optional<Bound>& bound, bool is_low) {
  if (!bound) return;
  auto& mine = is_low ? range.low : range.high;
  const int order = mine ? compare(bound->value, mine->value) : 0;
  if (!mine || (is_low ? order > 0 : order < 0)) {
    mine = bound;
  } else if (order == 0) {
    mine->inclusive = mine->inclusive && bound->inclusive;
  }
}

template <class T>
void add_all(std::vector<T>& to, const std::vector<T>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

bool in_range(const NumberRange& range, const Decimal& value) {
  if (range.low) {
    const int order = compare(value, range.low->value);
    if (order < 0 || (order == 0 && !range.low->inclusive)) return false;
  }
  if (range.high) {
    const int order = compare(value, range.high->value);
    if (order > 0 || (order == 0 && !range.high->inclusive)) return false;
  }
  return true;
}

}  // namespace

unsigned type_of(const Json& value) {
  if (value.is_null()) return kNull;
  if (value.is_boolean()) return kBoolean;
  if (value.is_number_integer()) return kInteger;
  if (value.is_number()) return Decimal::of(value).fraction.empty() ? kInteger : kFraction;
  if (value.is_string()) return kStringType;
  return value.is_object() ? kObject : kArray;
}

Flattener::Flattener(const Json& document, const SchemaLimits& limits) : references_(document), limits_(limits) {}

std::vector<Flat> Flattener::expand(const All& all) {
  std::vector<Flat> result{Flat{}};
  for (const Json* schema : all) result = cross(result, expand_one(*schema, 0), "allOf", *schema);
  if (limits_.closed_objects) std::for_each(result.begin(), result.end(), [&](Flat& flat) { close_object(flat); });
  return result;
}

// Two schemas that each list some of the properties leave each other room, and what must be there must have a place.
void Flattener::close_object(Flat& flat) const {
  static const Json kNothing = false;
  if (flat.objects.size() != 1) return;
  ObjectPart& part = flat.objects[0];
  if (part.properties == nullptr || part.properties->empty() || part.patterns != nullptr || part.others != nullptr) return;
  const auto listed = [&](const std::string& name) { return part.properties->contains(name); };
  const bool all_listed =
      std::all_of(flat.required.begin(), flat.required.end(), listed) &&
      std::all_of(flat.needs.begin(), flat.needs.end(), [&](const auto& need) { return listed(need.second); });
  if (all_listed && flat.properties_min <= static_cast<std::int64_t>(part.properties->size())) part.others = &kNothing;
}

std::vector<Flat> Flattener::expand_one(const Json& schema, int depth) {
  if (depth > kDepthMax) throw Refusal{"$ref", &schema, "references lead in a circle, or too deep"};
  if (schema.is_boolean()) return schema.get<bool>() ? std::vector<Flat>{Flat{}} : std::vector<Flat>{};
  if (!schema.is_object()) throw Refusal{"", &schema, "expected a schema, found " + json_text(schema)};
  if (const Json* other = references_.in_place_of(schema)) return expand_one(*other, depth + 1);
  for (const char* keyword : kRefused) {
    if (find(schema, keyword) == nullptr) continue;
    // `then` and `else` without `if`, and `if` alone, say nothing; minContains without contains neither.
    const std::string name = keyword;
    if ((name == "then" || name == "else") && find(schema, "if") == nullptr) continue;
    if (name == "if" && find(schema, "then") == nullptr && find(schema, "else") == nullptr) continue;
    if ((name == "minContains" || name == "maxContains") && find(schema, "contains") == nullptr) continue;
    throw Refusal{keyword, &schema, "the keyword can not be enforced while the value is written"};
  }
  std::vector<Flat> result;
  Flat own = base(schema);
  if (own.types != 0) result.push_back(std::move(own));
  if (const Json* reference = find(schema, "$ref"); reference != nullptr) {
    if (!reference->is_string()) throw Refusal{"$ref", &schema, "expected a string"};
    const Json& target = references_.resolve(schema, reference->get_ref<const std::string&>());
    result = cross(result, expand_one(target, depth + 1), "$ref", schema);
  }
  const auto list = [&](const char* keyword) -> const Json* {
    const Json* value = find(schema, keyword);
    if (value != nullptr && !value->is_array()) throw Refusal{keyword, &schema, "expected a list of schemas"};
    return value;
  };
  if (const Json* parts = list("allOf")) {
    for (const Json& part : *parts) result = cross(result, expand_one(part, depth + 1), "allOf", schema);
  }
  if (const Json* parts = list("anyOf")) {
    std::vector<Flat> any;
    for (const Json& part : *parts) add_all(any, expand_one(part, depth + 1));
    result = cross(result, any, "anyOf", schema);
  }
  if (const Json* parts = list("oneOf")) {
    std::vector<std::vector<Flat>> alternatives;
    std::vector<Flat> one;
    for (const Json& part : *parts) {
      alternatives.push_back(cross(result, expand_one(part, depth + 1), "oneOf", schema));
      add_all(one, alternatives.back());
    }
    check_one_of(alternatives, schema);
    result = std::move(one);
  }
  if (const Json* part = find(schema, "not")) {
    result = cross(result, negate(*part, schema, depth + 1), "not", schema);
  }
  return result;
}

Flat Flattener::base(const Json& schema) {
  Flat flat;
  flat.where = &schema;
  if (const Json* type = find(schema, "type")) {
    flat.types = 0;
    if (type->is_array()) {
      for (const Json& name : *type) flat.types |= type_named(name, schema);
    } else {
      flat.types = type_named(*type, schema);
    }
  }
  if (const Json* values = find(schema, "enum")) {
    if (!values->is_array()) throw Refusal{"enum", &schema, "expected a list"};
    flat.values.emplace(values->begin(), values->end());
  }
  if (const Json* value = find(schema, "const")) {
    if (!flat.values) {
      flat.values = std::vector<Json>{*value};
    } else {
      std::erase_if(*flat.values, [&](const Json& v) { return v != *value; });
    }
  }
  read_strings(schema, flat);
  read_numbers(schema, flat);
  read_objects(schema, flat);
  read_arrays(schema, flat);
  return flat;
}

void Flattener::read_strings(const Json& schema, Flat& flat) {
  flat.length_min = count(schema, "minLength", 0);
  flat.length_max = count(schema, "maxLength", kUnlimited);
  if (const Json* pattern = find(schema, "pattern")) {
    if (!pattern->is_string()) throw Refusal{"pattern", &schema, "expected a string"};
    flat.patterns.push_back(&schema);
  }
  if (const Json* format = find(schema, "format"); format != nullptr && format->is_string()) {
    if (format_of(format->get_ref<const std::string&>()).kind != Format::Kind::kAnnotation) {
      flat.formats.push_back(&schema);
    }
  }
}

void Flattener::read_numbers(const Json& schema, Flat& flat) {
  const auto bound = [&](const char* keyword, const char* exclusive, bool is_low) {
    const Json* value = find(schema, keyword);
    const Json* out = find(schema, exclusive);
    if (value != nullptr) {
      if (!value->is_number()) throw Refusal{keyword, &schema, "expected a number"};
      const bool open = out != nullptr && out->is_boolean() && out->get<bool>();  // draft 4
      tighten(flat.range, Bound{Decimal::of(*value), !open}, is_low);
    }
    if (out != nullptr && !out->is_boolean()) {
      if (!out->is_number()) throw Refusal{exclusive, &schema, "expected a number"};
      tighten(flat.range, Bound{Decimal::of(*out), false}, is_low);
    }
  };
  bound("minimum", "exclusiveMinimum", true);
  bound("maximum", "exclusiveMaximum", false);
  if (const Json* divisor = find(schema, "multipleOf")) {
    if (!divisor->is_number() || divisor->get<double>() <= 0) {
      throw Refusal{"multipleOf", &schema, "expected a number above 0"};
    }
    const double value = divisor->get<double>();
    // A divisor below one can not be checked exactly in binary arithmetic: validators disagree.
    if (value != std::floor(value)) throw Refusal{"multipleOf", &schema, "only whole numbers are supported"};
    if (value > 1000) throw Refusal{"multipleOf", &schema, "only divisors up to 1000 are supported"};
    flat.divisors.push_back(static_cast<std::int64_t>(value));
  }
}

void Flattener::read_objects(const Json& schema, Flat& flat) {
  ObjectPart part;
  for (auto [keyword, member] : {std::pair{"properties", &ObjectPart::properties},
                                 std::pair{"patternProperties", &ObjectPart::patterns}}) {
    const Json* value = find(schema, keyword);
    if (value == nullptr) continue;
    if (!value->is_object()) throw Refusal{keyword, &schema, "expected an object"};
    for (const Json& child : *value) expect_schema(child, keyword, schema);
    part.*member = value;
  }
  if (const Json* others = find(schema, "additionalProperties")) {
    expect_schema(*others, "additionalProperties", schema);
    part.others = others;
  }
  if (part.properties != nullptr || part.patterns != nullptr || part.others != nullptr) flat.objects.push_back(part);
  if (const Json* names = find(schema, "propertyNames")) {
    expect_schema(*names, "propertyNames", schema);
    flat.names.push_back(names);
  }
  if (const Json* required = find(schema, "required"); required != nullptr && !required->is_boolean()) {
    if (!required->is_array()) throw Refusal{"required", &schema, "expected a list of names"};
    for (const Json& name : *required) {
      if (!name.is_string()) throw Refusal{"required", &schema, "expected a list of names"};
      flat.required.insert(name.get<std::string>());
    }
  } else if (required != nullptr) {
    throw Refusal{"required", &schema, "expected a list of names (draft 3 is not supported)"};
  }
  flat.properties_min = count(schema, "minProperties", 0);
  flat.properties_max = count(schema, "maxProperties", kUnlimited);
  for (const char* keyword : {"dependentRequired", "dependencies"}) {
    const Json* needs = find(schema, keyword);
    if (needs == nullptr) continue;
    if (!needs->is_object()) throw Refusal{keyword, &schema, "expected an object"};
    for (const auto& [name, list] : needs->items()) {
      if (!list.is_array()) throw Refusal{keyword, &schema, "a dependency on a schema can not be enforced"};
      for (const Json& other : list) {
        if (!other.is_string()) throw Refusal{keyword, &schema, "expected names"};
        flat.needs.emplace_back(name, other.get<std::string>());
      }
    }
  }
}

void Flattener::read_arrays(const Json& schema, Flat& flat) {
  flat.items_min = count(schema, "minItems", 0);
  flat.items_max = count(schema, "maxItems", kUnlimited);
  ArrayPart part;
  const Json* items = find(schema, "items");
  if (const Json* prefix = find(schema, "prefixItems")) {
    if (!prefix->is_array()) throw Refusal{"prefixItems", &schema, "expected a list of schemas"};
    part.prefix = prefix;
  }
  if (items != nullptr && items->is_array()) {  // draft 4 to 2019
    part.prefix = items;
    items = find(schema, "additionalItems");
  }
  if (items != nullptr) {
    expect_schema(*items, "items", schema);
    part.items = items;
  }
  if (part.prefix != nullptr) {
    for (const Json& child : *part.prefix) expect_schema(child, "prefixItems", schema);
  }
  if (part.prefix != nullptr || part.items != nullptr) flat.arrays.push_back(part);
  if (const Json* unique = find(schema, "uniqueItems"); unique != nullptr && *unique == true) {
    if (flat.items_max > 1 && (flat.types & kArray) != 0) {
      throw Refusal{"uniqueItems", &schema, "the keyword can not be enforced while the value is written"};
    }
  }
}

std::optional<Flat> Flattener::merge(const Flat& a, const Flat& b) {
  Flat out = a;
  out.types &= b.types;
  if (out.types == 0) return std::nullopt;
  if (b.values) {
    if (!out.values) {
      out.values = b.values;
    } else {
      std::erase_if(*out.values, [&](const Json& v) {
        return std::find(b.values->begin(), b.values->end(), v) == b.values->end();
      });
    }
  }
  add_all(out.not_values, b.not_values);
  out.length_min = std::max(a.length_min, b.length_min);
  out.length_max = std::min(a.length_max, b.length_max);
  add_all(out.patterns, b.patterns);
  add_all(out.formats, b.formats);
  tighten(out.range, b.range.low, true);
  tighten(out.range, b.range.high, false);
  add_all(out.divisors, b.divisors);
  add_all(out.objects, b.objects);
  add_all(out.arrays, b.arrays);
  add_all(out.names, b.names);
  out.required.insert(b.required.begin(), b.required.end());
  add_all(out.needs, b.needs);
  out.properties_min = std::max(a.properties_min, b.properties_min);
  out.properties_max = std::min(a.properties_max, b.properties_max);
  out.items_min = std::max(a.items_min, b.items_min);
  out.items_max = std::min(a.items_max, b.items_max);
  if (out.where == nullptr) out.where = b.where;
  return out;
}

std::vector<Flat> Flattener::cross(
    const std::vector<Flat>& a, const std::vector<Flat>& b, const char* keyword, const Json& at
) {
  if (a.size() * b.size() > static_cast<std::size_t>(limits_.alternatives_max)) {
    throw Refusal{keyword, &at, "more than " + std::to_string(limits_.alternatives_max) + " alternatives"};
  }
  std::vector<Flat> out;
  for (const Flat& x : a) {
    for (const Flat& y : b) {
      if (std::optional<Flat> both = merge(x, y)) out.push_back(std::move(*both));
    }
  }
  return out;
}

// The decidable forms: a type, values, required names; and combinations of these.
std::vector<Flat> Flattener::negate(const Json& schema, const Json& owner, int depth) {
  const auto refuse = [&]() -> Refusal { return {"not", &owner, "only not-type, not-enum and not-required can be enforced"}; };
  if (schema.is_boolean()) return schema.get<bool>() ? std::vector<Flat>{} : std::vector<Flat>{Flat{}};
  if (!schema.is_object() || depth > kDepthMax) throw refuse();
  if (const Json* other = references_.in_place_of(schema)) return negate(*other, owner, depth + 1);
  static const std::set<std::string> kAnnotations = {"title", "description", "default", "examples", "$comment", "deprecated"};
  std::vector<Flat> out;
  for (const auto& [keyword, value] : schema.items()) {
    if (kAnnotations.count(keyword) > 0) continue;
    if (keyword == "type") {
      Flat flat;
      flat.types = kAllTypes & ~base(schema).types;
      if (flat.types != 0) out.push_back(flat);
    } else if (keyword == "enum" || keyword == "const") {
      Flat flat;
      flat.where = &owner;
      if (keyword == "const") {
        flat.not_values = {value};
      } else {
        flat.not_values.assign(value.begin(), value.end());
      }
      out.push_back(flat);
    } else if (keyword == "required" && value.is_array()) {
      for (const Json& name : value) {
        if (!name.is_string()) throw refuse();
        made_.push_back(std::make_unique<Json>(Json{{name.get<std::string>(), false}}));
        Flat flat;
        flat.objects.push_back({made_.back().get(), nullptr, nullptr});
        out.push_back(flat);
      }
    } else if (keyword == "anyOf" && value.is_array()) {
      std::vector<Flat> all{Flat{}};
      for (const Json& part : value) all = cross(all, negate(part, owner, depth + 1), "not", owner);
      add_all(out, all);
    } else if (keyword == "allOf" && value.is_array()) {
      for (const Json& part : value) add_all(out, negate(part, owner, depth + 1));
    } else if (keyword == "not") {
      add_all(out, expand_one(value, depth + 1));
    } else if (keyword == "$ref" && value.is_string()) {
      add_all(out, negate(references_.resolve(schema, value.get<std::string>()), owner, depth + 1));
    } else {
      throw refuse();
    }
  }
  return out;
}

// --- oneOf -----------------------------------------------------------------------------------------------------------

void Flattener::check_one_of(const std::vector<std::vector<Flat>>& alternatives, const Json& at) {
  for (std::size_t i = 0; i < alternatives.size(); ++i) {
    for (std::size_t j = i + 1; j < alternatives.size(); ++j) {
      for (const Flat& a : alternatives[i]) {
        for (const Flat& b : alternatives[j]) {
          if (exclusive(a, b, 0)) continue;
          throw Refusal{
              "oneOf", &at,
              "alternatives " + std::to_string(i) + " and " + std::to_string(j) +
                  " are not provably exclusive; use anyOf, or a required property with distinct const values"};
        }
      }
    }
  }
}

// Whether no value can meet both.
bool Flattener::exclusive(const Flat& a, const Flat& b, int depth) {
  const std::optional<Flat> both = merge(a, b);
  if (!both) return true;
  if (both->values) {
    return std::none_of(both->values->begin(), both->values->end(), [&](const Json& v) {
      return (type_of(v) & both->types) != 0;
    });
  }
  if (depth > kExclusiveDepthMax) return false;
  if ((both->types & (kNull | kBoolean)) != 0) return false;
  if ((both->types & (kInteger | kFraction)) != 0) {
    const NumberRange& range = both->range;
    if (!range.low || !range.high) return false;
    const int order = compare(range.low->value, range.high->value);
    if (order < 0 || (order == 0 && range.low->inclusive && range.high->inclusive)) return false;
  }
  if ((both->types & kStringType) != 0 && both->length_min <= both->length_max) {
    if (both->patterns.empty() && both->formats.empty()) return false;
    const auto dfa = string_dfa(*both);
    if (!dfa || !dfa->empty()) return false;
  }
  if ((both->types & kArray) != 0 && both->items_min <= both->items_max) return false;
  return (both->types & kObject) == 0 || objects_exclusive(a, b, depth);
}

bool Flattener::objects_exclusive(const Flat& a, const Flat& b, int depth) {
  std::set<std::string> names = a.required;
  names.insert(b.required.begin(), b.required.end());
  for (const std::string& name : names) {
    const std::vector<Flat> in_a = expand(property(a, name));
    const std::vector<Flat> in_b = expand(property(b, name));
    bool all = true;
    for (const Flat& x : in_a) {
      for (const Flat& y : in_b) all = all && exclusive(x, y, depth + 1);
    }
    if (all) return true;  // the name must be there in one of them, and has no value that suits both
  }
  return false;
}

// --- What a Flat says of one value -------------------------------------------------------------------------------------

All Flattener::property(const Flat& flat, const std::string& name) {
  All all;
  for (const ObjectPart& part : flat.objects) {
    bool matched = false;
    if (part.properties != nullptr) {
      const auto at = part.properties->find(name);
      if (at != part.properties->end()) {
        append(all, &*at);
        matched = true;
      }
    }
    if (part.patterns != nullptr) {
      for (const auto& [pattern, schema] : part.patterns->items()) {
        const auto dfa = pattern_dfa(Json(pattern), part.patterns, "patternProperties");
        if (!dfa->accepts(code_points(name))) continue;
        append(all, &part.patterns->at(pattern));
        matched = true;
      }
    }
    if (!matched && part.others != nullptr) append(all, part.others);
  }
  return all;
}

std::shared_ptr<const Dfa> Flattener::pattern_dfa(const Json& pattern, const Json* owner, const char* keyword) {
  const auto& text = pattern.get_ref<const std::string&>();
  auto& known = patterns_[text];
  if (known) return known;
  Result<Dfa> dfa = compile_regex(text, RegexMatch::kSearch);
  if (!dfa) throw Refusal{keyword, owner, "'" + text + "': " + dfa.error().message};
  known = std::make_shared<const Dfa>(std::move(*dfa));
  return known;
}

std::shared_ptr<const Dfa> Flattener::string_dfa(const Flat& flat) {
  std::shared_ptr<const Dfa> dfa;
  const auto restrict_to = [&](std::shared_ptr<const Dfa> more, const Json* owner, const char* keyword) {
    if (!dfa) {
      dfa = std::move(more);
      return;
    }
    std::optional<Dfa> both = intersection(*dfa, *more, limits_.states_max);
    if (!both) throw Refusal{keyword, owner, "together with the other restrictions it needs too many states"};
    dfa = std::make_shared<const Dfa>(std::move(*both));
  };
  for (const Json* owner : flat.patterns) restrict_to(pattern_dfa(owner->at("pattern"), owner, "pattern"), owner, "pattern");
  for (const Json* owner : flat.formats) {
    const auto& name = owner->at("format").get_ref<const std::string&>();
    const Format format = format_of(name);
    if (format.kind == Format::Kind::kUnsupported) {
      throw Refusal{"format", owner, "the format '" + name + "' can not be enforced"};
    }
    auto& known = patterns_["format:" + name];
    if (!known) {
      known = std::make_shared<const Dfa>(compile_regex(format.pattern, RegexMatch::kWhole).value_or_throw());
    }
    restrict_to(known, owner, "format");
  }
  std::vector<std::vector<Symbol>> forbidden;
  for (const Json& value : flat.not_values) {
    if (value.is_string()) forbidden.push_back(code_points(value.get_ref<const std::string&>()));
  }
  if (!forbidden.empty()) {
    const Dfa words = Dfa::words(forbidden, static_cast<std::int32_t>(forbidden.size()));
    const auto n = static_cast<std::int32_t>(forbidden.size());
    const Dfa any = Dfa::everything();
    const Dfa& left = dfa ? *dfa : any;
    auto rest = product(
        {&left, &words},
        [&](StateTuple t) { return left.accepting(t[0]) && words.tag(t[1]) == n ? 0 : -1; },
        [](StateTuple t) { return t[0] != kDead; },
        limits_.states_max
    );
    if (!rest) throw Refusal{"not", flat.where, "the values need too many states"};
    dfa = std::make_shared<const Dfa>(std::move(*rest));
  }
  if (dfa && (flat.length_min > 0 || flat.length_max != kUnlimited)) {
    std::optional<Dfa> cut = with_length(*dfa, flat.length_min, flat.length_max, limits_.states_max);
    const char* keyword = flat.length_max != kUnlimited ? "maxLength" : "minLength";
    if (!cut) throw Refusal{keyword, flat.where, "together with pattern or format it needs too many states"};
    dfa = std::make_shared<const Dfa>(std::move(*cut));
  }
  return dfa;
}

std::shared_ptr<const Dfa> Flattener::number_dfa_of(const Flat& flat) {
  const bool whole = (flat.types & kFraction) == 0 || !flat.divisors.empty();
  if (!whole && (flat.types & kInteger) == 0) {
    // Only from not-integer: a number that is no integer.
    throw Refusal{"not", flat.where, "numbers that are not integers can not be enforced"};
  }
  const bool plain = !flat.range.low && !flat.range.high && flat.divisors.empty();
  if (plain && flat.not_values.empty()) {  // immutable, made once
    static const auto any_integer = std::make_shared<const Dfa>(integer_dfa({}));
    static const auto any_number = std::make_shared<const Dfa>(number_dfa({}));
    return whole ? any_integer : any_number;
  }
  auto dfa = std::make_shared<const Dfa>(whole ? integer_dfa(flat.range) : number_dfa(flat.range));
  for (const std::int64_t divisor : flat.divisors) {
    std::optional<Dfa> both = intersection(*dfa, multiples_dfa(divisor), limits_.states_max);
    if (!both) throw Refusal{"multipleOf", flat.where, "together with the bounds it needs too many states"};
    dfa = std::make_shared<const Dfa>(std::move(*both));
  }
  for (const Json& value : flat.not_values) {
    if (value.is_number() && in_range(flat.range, Decimal::of(value))) {
      throw Refusal{"not", flat.where, "excluded numbers can not be enforced"};
    }
  }
  return dfa;
}

}  // namespace toccata::grammar
