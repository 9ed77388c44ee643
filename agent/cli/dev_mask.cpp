#include "agent/cli/dev_mask.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "agent/cli/json_lines.h"
#include "core/grammar/matcher.h"
#include "core/grammar/schema.h"

namespace toccata::cli {
namespace {

using Clock = std::chrono::steady_clock;
using grammar::Grammar;
using grammar::SchemaError;
using nlohmann::ordered_json;

grammar::CompiledSchema from_result(Result<std::shared_ptr<const Grammar>> result) {
  if (!result) return SchemaError{"grammar", "", result.error().message};
  return std::move(*result);
}

grammar::CompiledSchema compile_grammar(const ordered_json& source) {
  if (source.is_string()) return from_result(Grammar::from_regex(source.get<std::string>()));
  if (source.is_object() && source.size() == 1) {
    const auto regex = source.find("regex"), literals = source.find("literals");
    if (regex != source.end() && regex->is_string()) return from_result(Grammar::from_regex(regex->get<std::string>()));
    if (literals != source.end() && literals->is_array()) {
      std::vector<std::string> texts;
      for (const ordered_json& text : *literals) texts.push_back(text.get<std::string>());
      return from_result(Grammar::from_literals(texts));
    }
  }
  return SchemaError{"grammar", "", "expected a regular expression, {\"regex\": ...} or {\"literals\": [...]}"};
}

double micros(Clock::time_point since) {
  return std::chrono::duration<double, std::micro>(Clock::now() - since).count();
}

double rounded(double value) { return std::round(value * 1000) / 1000; }

ordered_json summary(std::vector<double>& times) {
  if (times.empty()) return {{"avg", 0}, {"p50", 0}, {"p99", 0}, {"max", 0}};
  std::sort(times.begin(), times.end());
  double sum = 0;
  for (const double t : times) sum += t;
  const auto at = [&](double share) {
    return rounded(times[std::min(times.size() - 1, static_cast<std::size_t>(share * static_cast<double>(times.size())))]);
  };
  return {{"avg", rounded(sum / static_cast<double>(times.size()))},
          {"p50", at(0.5)},
          {"p99", at(0.99)},
          {"max", rounded(times.back())}};
}

ordered_json check_text(grammar::Matcher& matcher, const Tokens& tokens, std::vector<double>& times) {
  ordered_json rejected_at = nullptr;
  int n = 0;
  for (const Token token : tokens) {
    const auto begin = Clock::now();
    const bool allowed = grammar::has_token(matcher.mask(), token) && matcher.accept(token);
    times.push_back(micros(begin));
    if (!allowed) {
      rejected_at = n;
      break;
    }
    ++n;
  }
  if (rejected_at.is_null() && !matcher.at_end()) rejected_at = n;
  matcher.rollback(matcher.n_accepted());
  return {{"accepted", rejected_at.is_null()}, {"rejected_at", rejected_at}};
}

struct MaskServer {
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer = tokenizer::Tokenizer::o200k_harmony();
  std::shared_ptr<const grammar::TokenTrie> trie = grammar::TokenTrie::make(*tokenizer);

  ordered_json answer(const ordered_json& request) const {
    const auto schema = request.find("schema"), source = request.find("grammar");
    if (schema == request.end() && source == request.end()) {
      throw Exception(ErrorCode::kInvalidArgument, "expected 'schema' or 'grammar'");
    }
    const auto begin = Clock::now();
    const grammar::CompiledSchema compiled =
        schema != request.end() ? grammar::compile_schema(*schema) : compile_grammar(*source);
    const double compile_ms = micros(begin) / 1000;
    if (const auto* error = std::get_if<SchemaError>(&compiled)) {
      return {{"error", {{"keyword", error->keyword}, {"path", error->path}, {"message", error->message}}}};
    }
    grammar::Matcher matcher(std::get<0>(compiled), trie);
    ordered_json texts = ordered_json::array();
    std::vector<double> times;
    const auto list = request.find("texts");
    if (list != request.end() && list->is_array()) {
      for (const ordered_json& text : *list) {
        if (!text.is_string()) throw Exception(ErrorCode::kInvalidArgument, "'texts' holds something that is not a string");
        texts.push_back(check_text(matcher, tokenizer->encode(text.get<std::string>()), times));
      }
    }
    return {{"compile_ms", rounded(compile_ms)}, {"texts", texts}, {"mask_us", summary(times)}};
  }
};

}  // namespace

int dev_mask(std::istream& in, std::ostream& out) {
  const MaskServer server;
  return serve_json_lines(in, out, [&](const ordered_json& request) { return server.answer(request); });
}

}  // namespace toccata::cli
