// Reads Hugging Face tokenizer.json files that hold a byte-level BPE: what `tokenizers` 0.2x writes for gpt-oss
// and for nano. Every part that would change the ids is either understood or refused by name; `post_processor`,
// `decoder`, `padding` and `truncation` do not change what encode and decode promise here, and are not read.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>
#include <utility>

#include "core/base/json.h"
#include "core/base/mapped_file.h"
#include "core/tokenizer/bpe_tokenizer.h"
#include "core/tokenizer/merge_list.h"
#include "core/tokenizer/utf8.h"

namespace toccata::tokenizer {
namespace {

using nlohmann::json;

// Ids above this are taken for damage, not for a vocabulary.
constexpr std::int64_t kIdsMax = std::int64_t{1} << 22;

[[noreturn]] void unsupported(const std::string& what) {
  throw Exception(ErrorCode::kUnsupported, "tokenizer.json: " + what);
}
[[noreturn]] void corrupt(const std::string& what) {
  throw Exception(ErrorCode::kCorrupt, "tokenizer.json: " + what);
}

const json& member(const json& object, const char* name) {
  if (!object.is_object() || !object.contains(name))
    corrupt("`" + std::string(name) + "` is missing");
  return object[name];
}

std::string text_or_empty(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool flag(const json& object, const char* name, bool absent) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? absent : found->get<bool>();
}

Token checked_id(const json& id, const std::string& spelling) {
  if (!id.is_number_integer() || id.get<std::int64_t>() < 0 || id.get<std::int64_t>() >= kIdsMax) {
    corrupt(
        "token `" + spelling + "` has the id " + json_text(id) + ", expected 0 to " +
        std::to_string(kIdsMax - 1)
    );
  }
  return id.get<Token>();
}

// GPT-2's spelling of bytes: printable Latin-1 characters stand for themselves, the other bytes, in order, for
// U+0100 and up (so a space is `Ġ`).
class ByteSpelling {
 public:
  ByteSpelling() {
    byte_of_.fill(-1);
    int next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable =
          (33 <= byte && byte <= 126) || (161 <= byte && byte <= 172) || 174 <= byte;
      byte_of_[printable ? byte : next++] = static_cast<std::int16_t>(byte);
    }
  }

  // nullopt when the text has a character that spells no byte.
  std::optional<std::string> bytes(std::string_view spelling) const {
    std::string result;
    while (!spelling.empty()) {
      const Utf8Char c = read_utf8(spelling);
      if (c.status != Utf8Status::kValid || c.code_point >= byte_of_.size()) return std::nullopt;
      if (byte_of_[c.code_point] < 0) return std::nullopt;
      result.push_back(static_cast<char>(byte_of_[c.code_point]));
      spelling.remove_prefix(c.length);
    }
    return result;
  }

 private:
  std::array<std::int16_t, 324> byte_of_;
};

using Ids = std::unordered_map<std::string_view, Token>;  // vocabulary spelling -> id

Ids read_ids(const json& vocab) {
  Ids ids;
  for (const auto& [spelling, id] : vocab.items()) {
    ids.emplace(vocab.find(spelling).key(), checked_id(id, spelling));
  }
  return ids;
}

// A merge is `["a", "b"]` or, in older files, "a b".
std::pair<std::string, std::string> read_merge(const json& merge) {
  if (merge.is_array() && merge.size() == 2) {
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  if (merge.is_string()) {
    const auto text = merge.get<std::string>();
    const std::size_t space = text.find(' ');
    if (space != std::string::npos) return {text.substr(0, space), text.substr(space + 1)};
  }
  corrupt("the merge " + json_text(merge) + " is not two tokens");
}

std::vector<MergePair> read_merges(const json& merges, const Ids& ids) {
  if (!merges.is_array()) corrupt("`model.merges` is not a list");
  const auto id_of = [&](const std::string& spelling) {
    const auto found = ids.find(spelling);
    if (found == ids.end())
      corrupt("a merge has `" + spelling + "`, which is not in the vocabulary");
    return found->second;
  };
  std::vector<MergePair> pairs;
  pairs.reserve(merges.size());
  for (const json& merge : merges) {
    const auto [left, right] = read_merge(merge);
    pairs.push_back({id_of(left), id_of(right), id_of(left + right)});
  }
  return pairs;
}

std::vector<AddedTokenDefinition> read_added_tokens(const json& file) {
  std::vector<AddedTokenDefinition> added;
  const auto list = file.find("added_tokens");
  if (list == file.end() || list->is_null()) return added;
  for (const json& token : *list) {
    const auto spelling = member(token, "content").get<std::string>();
    if (spelling.empty()) corrupt("an added token is empty");
    for (const char* option : {"single_word", "lstrip", "rstrip"}) {
      if (!flag(token, option, false)) continue;
      unsupported("the added token `" + spelling + "` has `" + option + "`");
    }
    const bool special = flag(token, "special", false);
    added.push_back(
        {spelling,
         checked_id(member(token, "id"), spelling),
         special,
         flag(token, "normalized", !special)}
    );
  }
  return added;
}

void check_byte_level(const json& step) {
  if (text_or_empty(step, "type") != "ByteLevel") {
    unsupported(
        "the pre-tokenizer has a step `" + text_or_empty(step, "type") +
        "` where ByteLevel is expected"
    );
  }
  if (flag(step, "use_regex", true)) {
    unsupported("the ByteLevel pre-tokenizer splits by GPT-2's pattern (`use_regex`)");
  }
  if (flag(step, "add_prefix_space", true)) {
    unsupported("the ByteLevel pre-tokenizer adds a space (`add_prefix_space`)");
  }
}

// Sequence[Split(Regex, Isolated), ByteLevel(use_regex false)].
Splitter read_splitter(const json& pre_tokenizer) {
  const std::string type =
      pre_tokenizer.is_object() ? text_or_empty(pre_tokenizer, "type") : "null";
  if (type != "Sequence") {
    unsupported("the pre-tokenizer is `" + type + "`, expected a Sequence of Split and ByteLevel");
  }
  const json& steps = member(pre_tokenizer, "pretokenizers");
  if (!steps.is_array() || steps.size() != 2 || text_or_empty(steps[0], "type") != "Split") {
    unsupported("the pre-tokenizer is not Split and then ByteLevel");
  }
  const json& split = steps[0];
  if (text_or_empty(split, "behavior") != "Isolated" || flag(split, "invert", false)) {
    unsupported("the Split pre-tokenizer is not `Isolated`, or inverted");
  }
  check_byte_level(steps[1]);
  const json& pattern = member(split, "pattern");
  if (!pattern.contains("Regex")) unsupported("the Split pattern is not a `Regex`");
  const auto regex = pattern["Regex"].get<std::string>();
  if (const auto splitter = splitter_for(regex)) return *splitter;
  unsupported(
      "the Split pre-tokenizer has the pattern `" + regex +
      "`; only those of o200k_base and of nano are known"
  );
}

void check_model(const json& model) {
  if (text_or_empty(model, "type") != "BPE") {
    unsupported("the model is `" + text_or_empty(model, "type") + "`, expected BPE");
  }
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!text_or_empty(model, affix).empty())
      unsupported("the model has a `" + std::string(affix) + "`");
  }
  const auto dropout = model.find("dropout");
  if (dropout != model.end() && !dropout->is_null() && *dropout != 0) {
    unsupported("the model has a `dropout`");
  }
}

// Ids of added tokens that no merge gives. They may be listed in the vocabulary too, spelled as they are; only
// single bytes are needed there as well.
std::set<Token> tokens_outside_merges(
    const std::vector<AddedTokenDefinition>& added, const std::vector<MergePair>& merges
) {
  std::set<Token> outside;
  for (const AddedTokenDefinition& token : added) {
    if (token.spelling.size() > 1) outside.insert(token.token);
  }
  for (const MergePair& merge : merges) outside.erase(merge.merged);
  return outside;
}

TokenBytes read_token_bytes(
    const Ids& ids,
    const std::vector<AddedTokenDefinition>& added,
    const std::vector<MergePair>& merges
) {
  TokenBytes tokens;
  const auto place = [&](Token id, const std::string& bytes) {
    if (static_cast<std::size_t>(id) >= tokens.bytes.size()) tokens.bytes.resize(id + 1);
    std::string& there = tokens.bytes[id];
    if (!there.empty() && there != bytes) {
      corrupt(
          "the id " + std::to_string(id) + " belongs to `" + there + "` and to `" + bytes + "`"
      );
    }
    there = bytes;
  };
  const std::set<Token> outside = tokens_outside_merges(added, merges);
  const ByteSpelling byte_spelling;
  for (const auto& [spelling, id] : ids) {
    if (outside.contains(id)) continue;
    const auto bytes = byte_spelling.bytes(spelling);
    if (!bytes || bytes->empty()) {
      unsupported(
          "the token `" + std::string(spelling) + "` is not spelled in byte-level characters"
      );
    }
    place(id, *bytes);
    tokens.mergeable.push_back(id);
  }
  for (const AddedTokenDefinition& token : added) {
    const auto listed = ids.find(token.spelling);
    if (listed != ids.end() && listed->second != token.token) {
      corrupt("the added token `" + token.spelling + "` has another id in the vocabulary");
    }
    place(token.token, token.spelling);
  }
  std::sort(tokens.mergeable.begin(), tokens.mergeable.end());
  return tokens;
}

std::shared_ptr<const Tokenizer> read_tokenizer(const json& file) {
  const json& model = member(file, "model");
  check_model(model);
  const auto normalizer = file.find("normalizer");
  if (normalizer != file.end() && !normalizer->is_null()) {
    unsupported("there is a normalizer, `" + text_or_empty(*normalizer, "type") + "`");
  }
  const Splitter splitter = read_splitter(member(file, "pre_tokenizer"));
  const json& vocab = member(model, "vocab");
  if (!vocab.is_object()) corrupt("`model.vocab` is not an object");
  const Ids ids = read_ids(vocab);
  const std::vector<MergePair> merges = read_merges(member(model, "merges"), ids);
  const std::vector<AddedTokenDefinition> added = read_added_tokens(file);
  const TokenBytes tokens = read_token_bytes(ids, added, merges);
  const auto whole_pieces =
      flag(model, "ignore_merges", false) ? WholePieces::kAllTokens : WholePieces::kWhatMergesGive;
  return std::make_shared<BpeTokenizer>(
      make_encoder(tokens, merges, whole_pieces), splitter, added
  );
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> Tokenizer::from_hf_json(std::string_view json_text) {
  try {
    return read_tokenizer(json_from_valid<json>(json_text));
  } catch (const json::exception& e) {
    return Error{ErrorCode::kCorrupt, "tokenizer.json: " + std::string(e.what())};
  } catch (const Exception& e) {
    return e.error();
  }
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::from_hf_file(const std::filesystem::path& path
) {
  Result<MappedFile> file = MappedFile::open(path);
  if (!file) return file.error();
  const auto bytes = file->bytes();
  auto tokenizer = from_hf_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (tokenizer) return tokenizer;
  return Error{tokenizer.error().code, path.string() + ": " + tokenizer.error().message};
}

}  // namespace toccata::tokenizer
