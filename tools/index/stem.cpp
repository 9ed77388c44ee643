// M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980. Steps and conditions are named as in the paper.
#include <algorithm>
#include <array>

#include "tools/index/words.h"

namespace toccata::tools {
namespace {

struct Rule {
  std::string_view ending, becomes;
};

class Stemmer {
 public:
  explicit Stemmer(std::string_view word) : word_(word) {}

  std::string stem() {
    if (word_.size() <= 2) return word_;
    plurals();
    past_and_gerund();
    if (ends_in("y") && has_vowel(word_.size() - 1)) word_.back() = 'i';
    step_2();
    step_3();
    step_4();
    step_5();
    return word_;
  }

 private:
  bool is_consonant(std::size_t i) const {
    switch (word_[i]) {
      case 'a': case 'e': case 'i': case 'o': case 'u': return false;
      case 'y': return i == 0 || !is_consonant(i - 1);
      default: return true;
    }
  }
  bool has_vowel(std::size_t size) const {
    for (std::size_t i = 0; i < size; ++i) {
      if (!is_consonant(i)) return true;
    }
    return false;
  }
  // How many vowel-consonant turns the first `size` letters have: m of the paper.
  int measure(std::size_t size) const {
    int turns = 0;
    for (std::size_t i = 1; i < size; ++i) turns += is_consonant(i) && !is_consonant(i - 1);
    return turns;
  }
  bool ends_double() const {
    const std::size_t n = word_.size();
    return n >= 2 && word_[n - 1] == word_[n - 2] && is_consonant(n - 1);
  }
  // consonant, vowel, consonant other than w, x, y: *o of the paper.
  bool ends_short(std::size_t size) const {
    if (size < 3 || !is_consonant(size - 1) || is_consonant(size - 2) || !is_consonant(size - 3)) return false;
    return std::string_view("wxy").find(word_[size - 1]) == std::string_view::npos;
  }
  bool ends_in(std::string_view ending) const { return std::string_view(word_).ends_with(ending); }
  std::size_t before(std::string_view ending) const { return word_.size() - ending.size(); }
  void replace(std::string_view ending, std::string_view by) { word_.replace(before(ending), ending.size(), by); }

  void plurals() {  // step 1a
    if (ends_in("sses") || ends_in("ies")) {
      word_.resize(word_.size() - 2);
    } else if (ends_in("s") && !ends_in("ss")) {
      word_.pop_back();
    }
  }

  void past_and_gerund() {  // step 1b
    if (ends_in("eed")) {
      if (measure(before("eed")) > 0) word_.pop_back();
      return;
    }
    const std::string_view ending = ends_in("ed") ? "ed" : ends_in("ing") ? "ing" : "";
    if (ending.empty() || !has_vowel(before(ending))) return;
    replace(ending, "");
    if (ends_in("at") || ends_in("bl") || ends_in("iz")) {
      word_ += 'e';
    } else if (ends_double() && !ends_in("l") && !ends_in("s") && !ends_in("z")) {
      word_.pop_back();
    } else if (measure(word_.size()) == 1 && ends_short(word_.size())) {
      word_ += 'e';
    }
  }

  // The longest ending that fits decides, whether its condition holds or not.
  template <std::size_t n>
  void first_of(const std::array<Rule, n>& rules, int more_than) {
    for (const Rule& rule : rules) {
      if (!ends_in(rule.ending)) continue;
      if (measure(before(rule.ending)) > more_than) replace(rule.ending, rule.becomes);
      return;
    }
  }

  void step_2() {
    static constexpr std::array<Rule, 20> kRules = {
        Rule{"ational", "ate"}, {"ization", "ize"}, {"iveness", "ive"}, {"fulness", "ful"}, {"ousness", "ous"}, {"tional", "tion"},
        {"biliti", "ble"}, {"entli", "ent"}, {"ousli", "ous"}, {"ation", "ate"}, {"alism", "al"}, {"aliti", "al"}, {"iviti", "ive"},
        {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"}, {"abli", "able"}, {"alli", "al"}, {"ator", "ate"}, {"eli", "e"}};
    first_of(kRules, 0);
  }
  void step_3() {
    static constexpr std::array<Rule, 7> kRules = {
        Rule{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"}, {"ical", "ic"}, {"ness", ""}, {"ful", ""}};
    first_of(kRules, 0);
  }
  void step_4() {
    static constexpr std::array<std::string_view, 19> kEndings = {
        "ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ion", "ism", "ate", "iti", "ous", "ive", "ize", "al", "er", "ic", "ou"};
    for (const std::string_view ending : kEndings) {
      if (!ends_in(ending)) continue;
      const std::size_t size = before(ending);
      const bool may = ending != "ion" || (size > 0 && (word_[size - 1] == 's' || word_[size - 1] == 't'));
      if (may && measure(size) > 1) word_.resize(size);
      return;
    }
  }
  void step_5() {
    if (ends_in("e")) {
      const std::size_t size = word_.size() - 1;
      if (measure(size) > 1 || (measure(size) == 1 && !ends_short(size))) word_.pop_back();
    }
    if (ends_in("ll") && measure(word_.size()) > 1) word_.pop_back();
  }

  std::string word_;
};

}  // namespace

std::string stem(std::string_view word) {
  const bool english = std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  return english ? Stemmer(word).stem() : std::string(word);
}

}  // namespace toccata::tools
