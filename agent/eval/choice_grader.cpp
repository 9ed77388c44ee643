#include <algorithm>
#include <cctype>
#include <numeric>

#include "agent/eval/graders.h"
#include "agent/task/sha256.h"

namespace toccata::eval {
namespace {

bool word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || static_cast<unsigned char>(c) >= 0x80; }

std::optional<char> letter(char c, std::size_t n) {
  const int upper = std::toupper(static_cast<unsigned char>(c));
  if (upper >= 'A' && static_cast<std::size_t>(upper - 'A') < n) return static_cast<char>(upper);
  return std::nullopt;
}

// A letter with nothing but marks around it: "C", "(C)", "**C.**", "\text{C}".
std::optional<char> alone(std::string text, std::size_t n) {
  for (const std::string_view name : {"\\text", "\\mathrm", "\\textbf"}) {
    if (const auto at = text.find(name); at != std::string::npos) text.erase(at, name.size());
  }
  std::optional<char> found;
  for (const char c : text) {
    if (!word_char(c)) continue;
    if (found) return std::nullopt;
    found = letter(c, n);
    if (!found) return std::nullopt;
  }
  return found;
}

// "answer: C", "Answer is **(C)**" from `at` on, which stands behind the word.
std::optional<char> behind_word(const std::string& text, std::size_t at, std::size_t n) {
  const auto skip = [&](std::string_view marks) {
    while (at < text.size() && marks.find(text[at]) != std::string_view::npos) ++at;
  };
  skip(" *_:\n\t");
  for (const std::string_view filler : {"is", "choice", "option", "letter"}) {
    if (text.compare(at, filler.size(), filler) == 0 && at + filler.size() < text.size() && !word_char(text[at + filler.size()])) at += filler.size();
    skip(" *_:($[{\n\t\\");
  }
  if (at >= text.size() || (at + 1 < text.size() && word_char(text[at + 1]))) return std::nullopt;
  // "the answer is a matter of ..." names no choice: a small letter must end the line.
  if (std::islower(static_cast<unsigned char>(text[at])) != 0) {
    std::size_t end = at + 1;
    while (end < text.size() && std::string_view(" *_.)}]$").find(text[end]) != std::string_view::npos) ++end;
    if (end < text.size() && text[end] != '\n') return std::nullopt;
  }
  return letter(text[at], n);
}

}  // namespace

std::optional<char> chosen_letter(const std::string& answer, std::size_t n) {
  if (const auto boxed = last_boxed(answer)) {
    if (const auto found = alone(*boxed, n)) return found;
  }
  std::string lower = answer;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::optional<char> last;
  constexpr std::string_view kWord = "answer";
  for (std::size_t at = lower.find(kWord); at != std::string::npos; at = lower.find(kWord, at + 1)) {
    if (const auto found = behind_word(answer, at + kWord.size(), n)) last = found;
  }
  if (last) return last;
  // The last line that holds something, when that is a letter.
  const std::size_t end = answer.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return std::nullopt;
  const std::size_t begin = answer.find_last_of('\n', end);
  return alone(answer.substr(begin == std::string::npos ? 0 : begin + 1, end + 1), n);
}

std::vector<std::size_t> permutation(const std::string& text, std::size_t n) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = n; i > 1; --i) {
    task::Sha256 hash;
    hash.add("toccata choices 1");
    hash.add(text);
    hash.add(std::to_string(i));
    // 60 bits: the bias of the remainder is below 2^-50.
    std::swap(order[i - 1], order[std::stoull(hash.hex().substr(0, 15), nullptr, 16) % i]);
  }
  return order;
}

}  // namespace toccata::eval
