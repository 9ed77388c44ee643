// Prompt-lookup speculation on a transcript that quotes tool output: tokens a second with and without, and how long the
// accepted guesses are. The tool's output is README.md; the answer is made of lines of ARCHITECTURE.md (new to the
// session) and whole lines of the output, in shares of 0 to 100 %. A mask that allows one token makes the model say it:
// the engine does all it does for a free answer, so any weights will do, and the text is the same on every run.
//   speculation_bench [CHECKPOINT [exact|fast [TOKENS [PROMPT]]]]     default: nano, exact, 400, 1500
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "agent/model/engine_model.h"
#include "agent/model/nano.h"

namespace toccata::agent {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<std::string> lines_of(const char* file) {
  std::ifstream in(std::string(TOCCATA_SOURCE_DIR "/") + file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (line.size() > 40) lines.push_back(line + "\n");
  }
  return lines;
}

struct Transcript {
  Tokens prompt, answer;
};

// Every hundred tokens, `percent` of them quoted; never two quotes in a row that stood together.
Transcript make_transcript(const tokenizer::Tokenizer& tokenizer, int percent, std::size_t n_answer, std::size_t n_prompt) {
  const auto quoted = lines_of("README.md"), fresh = lines_of("ARCHITECTURE.md");
  std::string output;
  for (const std::string& line : quoted) output += line;
  Transcript made{.prompt = tokenizer.encode(output), .answer = {}};
  made.prompt.resize(std::min(made.prompt.size(), n_prompt));
  std::size_t n_quoted = 0;
  for (std::size_t at = 0; made.answer.size() < n_answer; ++at) {
    const bool quote = 100 * n_quoted < static_cast<std::size_t>(percent) * (made.answer.size() + 1);
    const auto& source = quote ? quoted : fresh;
    // Quotes from the part of the output that fits into the prompt.
    const std::size_t index = quote ? at * 7 % std::max<std::size_t>(1, source.size() / 8) : at % source.size();
    const Tokens tokens = tokenizer.encode(source[index]);
    made.answer.insert(made.answer.end(), tokens.begin(), tokens.end());
    if (quote) n_quoted += tokens.size();
  }
  made.answer.resize(n_answer);
  return made;
}

double decode_seconds(TokenModel& model, const Transcript& transcript) {
  const auto session = model.open_session().value_or_throw();
  session->append(transcript.prompt).value_or_throw();
  std::vector<std::uint32_t> mask(static_cast<std::size_t>(model.capabilities().n_vocab) / 32 + 1);
  Clock::time_point begin;
  for (std::size_t i = 0; i < transcript.answer.size(); ++i) {
    const auto token = static_cast<std::size_t>(transcript.answer[i]);
    mask[token / 32] = 1U << (token % 32);
    session->sample({.temperature = 0}, mask, {}).value_or_throw();
    mask[token / 32] = 0;
    if (i == 0) begin = Clock::now();  // the prompt is read
  }
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

int run(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::string path = argc > 1 ? argv[1] : "nano";
  const bool fast = argc > 2 && std::string(argv[2]) == "fast";
  const std::size_t n_answer = argc > 3 ? static_cast<std::size_t>(std::atoi(argv[3])) : 400;
  const std::size_t n_prompt = argc > 4 ? static_cast<std::size_t>(std::atoi(argv[4])) : 1500;
  const auto load = [&](bool speculate) {
    const EngineOptions options{.device = EngineDevice::kCpu, .fast = fast, .speculate = speculate};
    return (path == "nano" ? load_nano(options) : load_engine_model(path, options)).value_or_throw();
  };
  const auto with = load(true), without = load(false);
  std::printf("%s, %s, %zu tokens; medians of 5 runs in turn\n", path.c_str(), fast ? "fast" : "exact", n_answer);
  std::printf("quoted  tok/s without   with   ratio\n");
  for (const int percent : {0, 25, 50, 75, 100}) {
    const auto room = static_cast<std::size_t>(with->capabilities().n_context) - n_answer;
    const Transcript transcript = make_transcript(*with->tokenizer(), percent, n_answer, std::min(n_prompt, room));
    std::vector<double> plain, ahead;
    for (int i = 0; i < 5; ++i) {
      plain.push_back(decode_seconds(*without, transcript));
      ahead.push_back(decode_seconds(*with, transcript));
    }
    std::sort(plain.begin(), plain.end());
    std::sort(ahead.begin(), ahead.end());
    const auto n = static_cast<double>(n_answer - 1);
    std::printf("%4d %%  %13.1f  %5.1f   %.2fx\n", percent, n / plain[2], n / ahead[2], plain[2] / ahead[2]);
  }
  return 0;
}

}  // namespace
}  // namespace toccata::agent

int main(int argc, char** argv) { return toccata::agent::run(argc, argv); }
