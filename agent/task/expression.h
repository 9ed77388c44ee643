// What may stand between {{ and }}, and after `if`: paths into the scope, constants, comparisons, a few filters.
//
//   params.count > 3 and steps.check.output.ok        steps.list.output[0].name | upper        item not in params.skip
//
//   or, and, not · == != < <= > >= in, not in · path | filter · 'text' "text" 12.5 true false null [1, 2] ( )
//   filters: default(x) json length upper lower trim first last join(', ') lines number text
//
// There are no calls, loops or assignments: an expression ends, and a template is rendered once, so that what a model
// wrote is never read as a template.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/task/value.h"
#include "core/base/error.h"

namespace toccata::task {

// The names an expression can see: "params", "steps", "row", "item", ...; one JSON object.
using Scope = Value;

// The fixed beginning of a path that an expression reads: {"steps", "sum", "output"}.
using Reference = std::vector<std::string>;

class Expression {
 public:
  static Result<Expression> parse(std::string_view source);
  // Throws Exception(kInvalidArgument) naming what is missing or has the wrong kind.
  Value evaluate(const Scope& scope) const;
  const std::string& source() const { return source_; }
  const std::vector<Reference>& references() const { return references_; }

  struct Node;

 private:
  std::string source_;
  std::shared_ptr<const Node> root_;
  std::vector<Reference> references_;
};

// Text with {{ expressions }}.
class Template {
 public:
  static Result<Template> parse(std::string_view source);
  std::string render(const Scope& scope) const;
  // The same with {{ }} left where the scope does not have what is asked for.
  std::string render_known(const Scope& scope) const;
  // The value itself where the text is one expression and nothing else; the rendered text otherwise.
  Value value(const Scope& scope) const;
  const std::string& source() const { return source_; }
  std::vector<Reference> references() const;

 private:
  struct Piece {
    std::string text;
    std::shared_ptr<const Expression> expression;  // null: the text stands for itself
  };
  std::string source_;
  std::vector<Piece> pieces_;
};

// A value whose texts, at any depth, are templates.
class ValueTemplate {
 public:
  static Result<ValueTemplate> parse(const Value& source);
  Value value(const Scope& scope) const;
  const Value& source() const { return source_; }
  const std::vector<Reference>& references() const { return references_; }

 private:
  Value source_;
  std::vector<Reference> references_;
};

}  // namespace toccata::task
