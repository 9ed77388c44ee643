// Which encoding a text without a declaration is in: each candidate is tried, and the characters that come out are judged by how usual
// they are in the languages that are written in it.
#include <algorithm>
#include <vector>

#include "tools/web/charset.h"
#include "tools/web/utf8.h"

namespace toccata::tools {
namespace {

constexpr std::size_t kSampleBytes = std::size_t{64} << 10;

class CharSet {
 public:
  explicit CharSet(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) chars_.push_back(next_char(text, at));
    std::sort(chars_.begin(), chars_.end());
  }
  bool contains(char32_t c) const { return std::binary_search(chars_.begin(), chars_.end(), c); }

 private:
  std::vector<char32_t> chars_;
};

// The most frequent ones of running text.
const CharSet& common_simplified() {
  static const CharSet set(
      "的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心多天而能好都然没日于起还发成事只作"
      "当想看文无开手十用主行方又如前所本见经头面公同三已从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种全工者向情部正名定女问力机给"
      "等几很业最间新什打便位因重被走电第相次东政海口使教西再平真世气信北少关并内加化由却代军产入先山五水万市体别处总才场师书比员通系统网页");
  return set;
}
const CharSet& common_traditional() {
  static const CharSet set(
      "的一是不了在人有我他這中大來上個國到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可裡後小麼心多天而能好都然沒日於起還發成事只作"
      "當想看文無開手十用主行方又如前所本見經頭面公同三已從動兩長知民樣現分將外但身些與高意進把法此實回二理美點月明其種全工者向情部正名定女問力機給"
      "等幾很業最間新什打便位因重被走電第相次東政海口使教西再平真世氣信北少關並內加化由卻代軍產入先山五水萬市體別處總才場師書比員通系統網頁");
  return set;
}
const CharSet& common_hangul() {
  static const CharSet set("이다는을를의에가고하지한도로은인기서시자리어나대사정아해들그수있것일보라스제만주부전원상여성장적국안니");
  return set;
}
const CharSet& common_cyrillic() {
  static const CharSet set("оеаинтсрвлкмдпуяызьбгчйхжюшцщэф");
  return set;
}
const CharSet& western() {
  static const CharSet set("éèêëàâáäãåæçíìîïñóòôöõøœúùûüßÉÈÀÄÖÜÅÆØÇÑÓÍ");
  return set;
}
const CharSet& western_marks() {
  static const CharSet set("’‘“”„–—…«»°£€§©®·•™¡¿½¼²³±×\u00a0");
  return set;
}

bool in(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }
bool is_han(char32_t c) { return in(c, 0x4E00, 0x9FFF); }
bool is_kana(char32_t c) { return in(c, 0x3041, 0x30FE); }
bool is_wide_mark(char32_t c) { return in(c, 0x3001, 0x3011) || in(c, 0xFF01, 0xFF1F) || in(c, 0x2014, 0x2026); }
bool is_hangul(char32_t c) { return in(c, 0xAC00, 0xD7A3); }
bool is_upper_cyrillic(char32_t c) { return in(c, 0x410, 0x42F); }
bool is_lower_cyrillic(char32_t c) { return in(c, 0x430, 0x451); }
bool is_latin(char32_t c) { return in(c, 'a', 'z') || in(c, 'A', 'Z'); }

using Weigh = double (*)(char32_t before, char32_t c, char32_t after);

double japanese(char32_t, char32_t c, char32_t) { return is_kana(c) ? 1 : is_wide_mark(c) ? 0.7 : is_han(c) ? 0.3 : -0.5; }
double chinese(const CharSet& common, char32_t c) {
  return is_han(c) ? (common.contains(c) ? 1 : 0.15) : is_wide_mark(c) ? 0.7 : is_kana(c) ? -0.2 : -0.5;
}
double simplified(char32_t, char32_t c, char32_t) { return chinese(common_simplified(), c); }
double traditional(char32_t, char32_t c, char32_t) { return chinese(common_traditional(), c); }
double korean(char32_t, char32_t c, char32_t) { return is_hangul(c) ? (common_hangul().contains(c) ? 1 : 0.5) : is_wide_mark(c) ? 0.5 : -0.4; }

// In running text a capital stands at the beginning of a word: KOI8-R and windows-1251 read as each other are all wrong in this.
double cyrillic(char32_t before, char32_t c, char32_t after) {
  if (is_latin(before) || is_latin(after)) return -0.7;
  if (is_lower_cyrillic(c)) return is_upper_cyrillic(before) || common_cyrillic().contains(c) ? 0.9 : 0.7;
  if (is_upper_cyrillic(c)) return is_lower_cyrillic(before) ? -1 : is_upper_cyrillic(before) ? 0.3 : 0.7;
  return western_marks().contains(c) || c == 0x2116 ? 0.5 : -0.7;
}

// A letter with an accent stands beside a plain one; words of such letters alone are another script's.
double latin(char32_t before, char32_t c, char32_t after) {
  if (western_marks().contains(c)) return 0.6;
  const bool beside = is_latin(before) || is_latin(after);
  return western().contains(c) ? (beside ? 0.8 : -0.1) : -0.5;
}

// The mean over all characters beyond ASCII; what stands for no character weighs most.
double score(std::string_view sample, std::string_view encoding, Weigh weigh) {
  const std::string text = decode(sample, encoding);
  double sum = 0;
  int n = 0;
  char32_t before = 0;
  std::size_t at = 0;
  char32_t c = text.empty() ? 0 : next_char(text, at);
  while (c != 0 || at < text.size()) {
    const char32_t after = at < text.size() ? next_char(text, at) : 0;
    if (c >= 0x80) {
      ++n;
      const bool unusable = c == 0xFFFD || in(c, 0xE000, 0xF8FF) || in(c, 0x80, 0x9F);
      sum += unusable ? -3 : weigh(before, c, after);
    }
    before = c;
    c = after;
    if (c == 0 && at >= text.size()) break;
  }
  return n == 0 ? 0 : sum / n;
}

// Text mostly of ASCII has a NUL in every second place; others hardly ever have one.
std::optional<std::string_view> utf16_form(std::string_view bytes) {
  const std::string_view sample = bytes.substr(0, 4096);
  std::size_t n_nul[2] = {0, 0};
  for (std::size_t i = 0; i < sample.size(); ++i) n_nul[i % 2] += sample[i] == '\0' ? 1 : 0;
  const std::size_t half = sample.size() / 2;
  if (half < 2) return std::nullopt;
  if (n_nul[1] * 2 > half && n_nul[0] * 10 < half) return "UTF-16LE";
  if (n_nul[0] * 2 > half && n_nul[1] * 10 < half) return "UTF-16BE";
  return std::nullopt;
}

}  // namespace

std::string_view detect_encoding(std::string_view bytes) {
  if (const auto utf16 = utf16_form(bytes)) return *utf16;
  const bool escapes = bytes.find("\x1B$B") != std::string_view::npos || bytes.find("\x1B$@") != std::string_view::npos;
  const bool is_ascii = std::none_of(bytes.begin(), bytes.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  if (is_ascii) return escapes ? "ISO-2022-JP" : "UTF-8";
  const Utf8Form form = utf8_form(bytes);
  if (form.n_bad * 20 <= form.n_multibyte) return "UTF-8";

  struct Candidate {
    std::string_view encoding;
    Weigh weigh;
  };
  // The first wins among equals.
  constexpr Candidate kCandidates[] = {
      {"windows-1252", latin}, {"Shift_JIS", japanese}, {"EUC-JP", japanese},      {"gb18030", simplified},
      {"Big5", traditional},   {"EUC-KR", korean},      {"windows-1251", cyrillic}, {"KOI8-R", cyrillic}};
  // From the first byte beyond ASCII on: a head full of scripts would use the sample up.
  const auto first = std::find_if(bytes.begin(), bytes.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  const auto start = static_cast<std::size_t>(first - bytes.begin());
  const std::string_view sample = bytes.substr(start == 0 ? 0 : start - 1, kSampleBytes);
  std::string_view best = "windows-1252";
  double best_score = -0.2;  // below that nothing fits, and windows-1252 loses least
  for (const Candidate& candidate : kCandidates) {
    const double reached = score(sample, candidate.encoding, candidate.weigh);
    if (reached > best_score) best = candidate.encoding, best_score = reached;
  }
  return best;
}

}  // namespace toccata::tools
