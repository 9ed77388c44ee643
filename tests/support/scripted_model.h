// Transcripts for tests: what a model says, spelled out, and a scripted model that says it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/model/scripted_model.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::testing {

// Completions as gpt-oss writes them after `<|start|>assistant`.
inline std::string says_final(const std::string& text) {
  return "<|channel|>final<|message|>" + text + "<|return|>";
}
inline std::string thinks(const std::string& text) {
  return "<|channel|>analysis<|message|>" + text + "<|end|><|start|>assistant";
}
inline std::string announces(const std::string& text) {
  return "<|channel|>commentary<|message|>" + text + "<|end|><|start|>assistant";
}
// A function: on commentary, JSON arguments.
inline std::string calls(const std::string& function, const std::string& arguments) {
  return "<|channel|>commentary to=" + function + " <|constrain|>json<|message|>" + arguments +
         "<|call|>";
}
// A built-in tool: on analysis, content type code.
inline std::string calls_python(const std::string& code) {
  return "<|channel|>analysis to=python code<|message|>" + code + "<|call|>";
}

inline std::unique_ptr<agent::ScriptedModel> scripted_model(
    std::vector<agent::ScriptedCompletion> completions, agent::ScriptedOptions options = {}
) {
  return std::make_unique<agent::ScriptedModel>(
      tokenizer::Tokenizer::o200k_harmony(), std::move(completions), std::move(options)
  );
}
inline std::unique_ptr<agent::ScriptedModel> scripted_model(
    const std::vector<std::string>& texts, agent::ScriptedOptions options = {}
) {
  std::vector<agent::ScriptedCompletion> completions;
  for (const std::string& text : texts) completions.push_back({.text = text});
  return scripted_model(std::move(completions), std::move(options));
}

}  // namespace toccata::testing
