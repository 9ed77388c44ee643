#include "core/model/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace toccata::model {
namespace {

constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr std::uint32_t kVersion = 3;
constexpr std::uint64_t kRankMax = 4;
constexpr std::int64_t kDimensionMax = std::int64_t{1} << 40;

// Metadata value types, by their number in the file.
enum ValueType : std::uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kFloat32, kBool, kString, kArray, kU64, kI64, kFloat64 };

// Bytes of a value at least: what bounds the length of a list.
std::size_t least_bytes(std::uint32_t type) {
  switch (type) {
    case kU8:
    case kI8:
    case kBool: return 1;
    case kU16:
    case kI16: return 2;
    case kU32:
    case kI32:
    case kFloat32: return 4;
    default: return 8;
  }
}

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  [[noreturn]] void fail(const std::string& what, ErrorCode code = ErrorCode::kCorrupt) const {
    throw Exception(code, file_ + ": " + what);
  }

  std::size_t at() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }

  template <typename T>
  T number(const char* what) {
    T value;
    need(sizeof value, what);
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  std::string_view string(const char* what) {
    const auto size = number<std::uint64_t>(what);
    need(size, what);
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + at_, size);
    at_ += size;
    return text;
  }

  // A count of things that take at least `least` bytes each.
  std::uint64_t count(const char* what, std::size_t least) {
    const auto n = number<std::uint64_t>(what);
    if (n > left() / least) {
      fail(
          "says it has " + std::to_string(n) + " " + what + ", more than its remaining " +
          std::to_string(left()) + " bytes can hold: truncated or damaged"
      );
    }
    return n;
  }

 private:
  void need(std::uint64_t n, const char* what) const {
    if (n <= left()) return;
    fail(
        "ends in the header, at " + std::string(what) + ": byte " + std::to_string(at_) + ", " +
        std::to_string(n) + " more expected, " + std::to_string(left()) + " there: truncated?"
    );
  }

  std::span<const std::byte> bytes_;
  const std::string& file_;
  std::size_t at_ = 0;
};

GgufValue read_scalar(Reader& in, std::uint32_t type, const std::string& key) {
  const char* what = "a metadata value";
  switch (type) {
    case kU8: return std::int64_t{in.number<std::uint8_t>(what)};
    case kI8: return std::int64_t{in.number<std::int8_t>(what)};
    case kU16: return std::int64_t{in.number<std::uint16_t>(what)};
    case kI16: return std::int64_t{in.number<std::int16_t>(what)};
    case kU32: return std::int64_t{in.number<std::uint32_t>(what)};
    case kI32: return std::int64_t{in.number<std::int32_t>(what)};
    case kFloat32: return static_cast<double>(in.number<float>(what));
    case kBool: return in.number<std::uint8_t>(what) != 0;
    case kString: return in.string(what);
    case kI64: return in.number<std::int64_t>(what);
    case kFloat64: return in.number<double>(what);
    case kU64: {
      const auto value = in.number<std::uint64_t>(what);
      if (value > static_cast<std::uint64_t>(INT64_MAX)) in.fail("key " + key + " is above 2^63");
      return static_cast<std::int64_t>(value);
    }
    default: in.fail("key " + key + " has the unknown value type " + std::to_string(type));
  }
}

GgufValue read_value(Reader& in, const std::string& key) {
  const auto type = in.number<std::uint32_t>("a value type");
  if (type != kArray) return read_scalar(in, type, key);
  const auto element = in.number<std::uint32_t>("a list's type");
  if (element == kArray) in.fail("key " + key + " is a list of lists", ErrorCode::kUnsupported);
  GgufArray array;
  array.size = in.count("list elements", least_bytes(element));
  for (std::size_t i = 0; i < array.size; ++i) {
    const GgufValue value = read_scalar(in, element, key);
    if (const auto* text = std::get_if<std::string_view>(&value)) array.strings.push_back(*text);
    if (const auto* integer = std::get_if<std::int64_t>(&value)) array.integers.push_back(*integer);
  }
  return array;
}

struct Placed {
  std::string name;
  GgufTensor tensor;
  std::uint64_t offset = 0;
};

Placed read_tensor_info(Reader& in) {
  Placed placed;
  placed.name = std::string(in.string("a tensor's name"));
  const auto rank = in.number<std::uint32_t>("a tensor's rank");
  if (rank > kRankMax) {
    in.fail("tensor " + placed.name + " has " + std::to_string(rank) + " dimensions, at most 4 exist");
  }
  for (std::uint32_t i = 0; i < rank; ++i) {
    const auto n = in.number<std::uint64_t>("a tensor's shape");
    if (n == 0 || n > static_cast<std::uint64_t>(kDimensionMax)) {
      in.fail("tensor " + placed.name + " has a dimension of " + std::to_string(n));
    }
    placed.tensor.shape.insert(placed.tensor.shape.begin(), static_cast<std::int64_t>(n));
  }
  placed.tensor.type = static_cast<GgufType>(in.number<std::uint32_t>("a tensor's type"));
  placed.offset = in.number<std::uint64_t>("a tensor's offset");
  return placed;
}

// Sets `data`. `data_bytes`: everything from the data start on.
void place(const Reader& in, std::span<const std::byte> data_bytes, std::uint64_t alignment, Placed& placed) {
  GgufTensor& tensor = placed.tensor;
  const std::string who = "tensor " + placed.name + " (" + to_string(tensor.type) + ")";
  if (placed.offset % alignment != 0) {
    in.fail(who + " starts at " + std::to_string(placed.offset) + ", no multiple of " + std::to_string(alignment));
  }
  const auto block = block_of(tensor.type);
  if (!block) return;
  std::int64_t rows = 1;
  const std::int64_t width = tensor.shape.empty() ? 1 : tensor.shape.back();
  for (std::size_t i = 0; i + 1 < tensor.shape.size(); ++i) {
    if (__builtin_mul_overflow(rows, tensor.shape[i], &rows)) in.fail(who + " is impossibly large");
  }
  if (width % block->values != 0) {
    in.fail(who + " has rows of " + std::to_string(width) + ", no multiple of its block of " + std::to_string(block->values));
  }
  std::uint64_t size = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(width / block->values) * block->bytes, static_cast<std::uint64_t>(rows), &size) ||
      placed.offset > data_bytes.size() || size > data_bytes.size() - placed.offset) {
    in.fail(
        who + " reaches outside the file, which holds " + std::to_string(data_bytes.size()) +
        " bytes of data: truncated?"
    );
  }
  tensor.data = data_bytes.subspan(placed.offset, size);
}

void check_overlap(const Reader& in, std::vector<Placed>& tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const Placed& a, const Placed& b) { return a.offset < b.offset; });
  const Placed* before = nullptr;
  for (const Placed& placed : tensors) {
    if (placed.tensor.data.empty()) continue;
    if (before != nullptr && before->offset + before->tensor.data.size() > placed.offset) {
      in.fail("tensors " + before->name + " and " + placed.name + " overlap");
    }
    before = &placed;
  }
}

std::uint64_t read_alignment(const Reader& in, const Gguf& gguf) {
  const auto found = gguf.metadata.find("general.alignment");
  if (found == gguf.metadata.end()) return 32;
  const auto* value = std::get_if<std::int64_t>(&found->second);
  if (value == nullptr || *value < 8 || *value > 65536 || !std::has_single_bit(static_cast<std::uint64_t>(*value))) {
    in.fail("general.alignment is not a power of two from 8 to 65536");
  }
  return static_cast<std::uint64_t>(*value);
}

Gguf read_gguf(std::span<const std::byte> bytes, const std::string& file) {
  Reader in(bytes, file);
  if (bytes.size() < 4 || in.number<std::uint32_t>("the magic") != kMagic) in.fail("not a GGUF file");
  const auto version = in.number<std::uint32_t>("the version");
  if (version != kVersion) {
    in.fail(
        "is GGUF version " + std::to_string(version) + ", expected 3 (little-endian)", ErrorCode::kUnsupported
    );
  }
  const auto n_tensors = in.count("tensors", 24);
  const auto n_keys = in.count("metadata keys", 13);
  Gguf gguf;
  for (std::uint64_t i = 0; i < n_keys; ++i) {
    const std::string key(in.string("a key"));
    if (!gguf.metadata.emplace(key, read_value(in, key)).second) in.fail("key " + key + " occurs twice");
  }
  std::vector<Placed> tensors;
  for (std::uint64_t i = 0; i < n_tensors; ++i) tensors.push_back(read_tensor_info(in));
  const std::uint64_t alignment = read_alignment(in, gguf);
  const std::uint64_t start = (in.at() + alignment - 1) / alignment * alignment;
  const auto data = start <= bytes.size() ? bytes.subspan(start) : std::span<const std::byte>();
  for (Placed& placed : tensors) place(in, data, alignment, placed);
  check_overlap(in, tensors);
  for (Placed& placed : tensors) {
    if (!gguf.tensors.emplace(placed.name, std::move(placed.tensor)).second) {
      in.fail("tensor " + placed.name + " occurs twice");
    }
  }
  return gguf;
}

}  // namespace

std::string to_string(GgufType type) {
  static constexpr const char* kNames[] = {
      "F32",  "F16",  "Q4_0", "Q4_1",    "Q4_2",   "Q4_3",    "Q5_0",  "Q5_1",   "Q8_0",  "Q8_1",
      "Q2_K", "Q3_K", "Q4_K", "Q5_K",    "Q6_K",   "Q8_K",    "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S",
      "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8",   "I16",     "I32",   "I64",    "F64",   "IQ1_M",
      "BF16", "type 31", "type 32", "type 33", "TQ1_0", "TQ2_0", "type 36", "type 37", "type 38", "MXFP4"};
  const auto number = static_cast<std::uint32_t>(type);
  return number < std::size(kNames) ? kNames[number] : "type " + std::to_string(number);
}

std::optional<GgufBlock> block_of(GgufType type) {
  switch (type) {
    case GgufType::kF32: return GgufBlock{1, 4};
    case GgufType::kF16:
    case GgufType::kBf16: return GgufBlock{1, 2};
    case GgufType::kQ4_0:
    case GgufType::kIQ4_NL: return GgufBlock{32, 18};
    case GgufType::kQ4_1: return GgufBlock{32, 20};
    case GgufType::kQ5_0: return GgufBlock{32, 22};
    case GgufType::kQ5_1: return GgufBlock{32, 24};
    case GgufType::kQ8_0: return GgufBlock{32, 34};
    case GgufType::kQ2_K: return GgufBlock{256, 84};
    case GgufType::kQ3_K: return GgufBlock{256, 110};
    case GgufType::kQ4_K: return GgufBlock{256, 144};
    case GgufType::kQ5_K: return GgufBlock{256, 176};
    case GgufType::kQ6_K: return GgufBlock{256, 210};
    case GgufType::kIQ4_XS: return GgufBlock{256, 136};
    case GgufType::kMxfp4: return GgufBlock{32, 17};
  }
  return std::nullopt;
}

Result<Gguf> parse_gguf(std::span<const std::byte> bytes, const std::string& file) {
  try {
    return read_gguf(bytes, file);
  } catch (const Exception& e) {
    return e.error();
  }
}

}  // namespace toccata::model
