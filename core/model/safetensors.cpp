#include "core/model/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/json.h"
#include "core/base/json_depth.h"

namespace toccata::model {
namespace {

using nlohmann::json;

// More than any published checkpoint by orders of magnitude; bounds what a hostile header makes us allocate.
constexpr std::uint64_t kHeaderBytesMax = std::uint64_t{100} << 20;
// A tensor's shape is at depth 3.
constexpr int kHeaderDepthMax = 8;

Error corrupt(const std::string& file, const std::string& what) {
  return Error{ErrorCode::kCorrupt, file + ": " + what};
}

DType dtype_from(const std::string& name) {
  if (name == "BF16") return DType::kBf16;
  if (name == "U8") return DType::kU8;
  if (name == "F32") return DType::kF32;
  if (name == "I32") return DType::kI32;
  return DType::kOther;
}

// Bytes of a tensor, or nullopt when the product overflows.
std::optional<std::uint64_t> byte_size(const std::vector<std::int64_t>& shape, std::size_t width) {
  std::uint64_t size = width;
  for (const std::int64_t n : shape) {
    if (__builtin_mul_overflow(size, static_cast<std::uint64_t>(n), &size)) return std::nullopt;
  }
  return size;
}

Result<TensorView> parse_tensor(
    const std::string& name, const json& entry, std::span<const std::byte> data, const std::string& file
) {
  const auto bad = [&](const std::string& what) { return corrupt(file, "tensor " + name + ": " + what); };
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string()) {
    return bad("no dtype");
  }
  TensorView view;
  view.file = file;
  view.dtype = dtype_from(entry["dtype"].get<std::string>());
  if (!entry.contains("shape") || !entry["shape"].is_array()) return bad("no shape");
  for (const json& n : entry["shape"]) {
    if (!n.is_number_unsigned() || n.get<std::uint64_t>() > (std::uint64_t{1} << 48)) {
      return bad("shape " + json_text(entry["shape"]) + " is not a list of sizes");
    }
    view.shape.push_back(n.get<std::int64_t>());
  }
  const json offsets = entry.value("data_offsets", json());
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    return bad("no data_offsets");
  }
  const auto begin = offsets[0].get<std::uint64_t>();
  const auto end = offsets[1].get<std::uint64_t>();
  if (begin > end || end > data.size()) {
    return bad(
        "data_offsets " + json_text(offsets) + " reach outside the file, which holds " +
        std::to_string(data.size()) + " bytes of data: truncated?"
    );
  }
  view.data = data.subspan(begin, end - begin);
  if (const std::size_t width = size_of(view.dtype); width != 0) {
    const auto expected = byte_size(view.shape, width);
    if (!expected || *expected != end - begin) {
      return bad(
          "shape " + shape_text(view.shape) + " of " + to_string(view.dtype) + " does not fill its " +
          std::to_string(end - begin) + " bytes"
      );
    }
  }
  return view;
}

Result<void> check_overlap(const std::map<std::string, TensorView>& tensors, const std::string& file) {
  std::vector<std::pair<const std::string*, std::span<const std::byte>>> ranges;
  for (const auto& [name, view] : tensors) {
    if (!view.data.empty()) ranges.emplace_back(&name, view.data);
  }
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) {
    return a.second.data() < b.second.data();
  });
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    const auto& before = ranges[i - 1].second;
    if (before.data() + before.size() > ranges[i].second.data()) {
      return corrupt(file, "tensors " + *ranges[i - 1].first + " and " + *ranges[i].first + " overlap");
    }
  }
  return {};
}

}  // namespace

const char* to_string(DType dtype) {
  switch (dtype) {
    case DType::kBf16: return "BF16";
    case DType::kU8: return "U8";
    case DType::kF32: return "F32";
    case DType::kI32: return "I32";
    case DType::kOther: return "another type";
  }
  return "?";
}

std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::kBf16: return 2;
    case DType::kU8: return 1;
    case DType::kF32:
    case DType::kI32: return 4;
    case DType::kOther: return 0;
  }
  return 0;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

Result<std::map<std::string, TensorView>> parse_safetensors(
    std::span<const std::byte> bytes, const std::string& file
) {
  std::uint64_t header_size = 0;
  if (bytes.size() < sizeof header_size) {
    return corrupt(file, "only " + std::to_string(bytes.size()) + " bytes long: not a safetensors file");
  }
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  if (header_size > kHeaderBytesMax || header_size > bytes.size() - sizeof header_size) {
    return corrupt(
        file, "says its header has " + std::to_string(header_size) + " bytes, the file has " +
                  std::to_string(bytes.size()) + ": truncated, or not a safetensors file"
    );
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof header_size, header_size);
  if (json_depth(text) > kHeaderDepthMax) return corrupt(file, "the header is nested too deeply to be that of a safetensors file");
  const json header = json_from<json>(text);
  if (!header.is_object()) return corrupt(file, "the header is not a JSON object");
  const auto data = bytes.subspan(sizeof header_size + header_size);

  std::map<std::string, TensorView> tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    auto view = parse_tensor(name, entry, data, file);
    if (!view) return view.error();
    tensors.emplace(name, std::move(*view));
  }
  if (const auto sound = check_overlap(tensors, file); !sound) return sound.error();
  return tensors;
}

}  // namespace toccata::model
