// Untrusted checkpoint headers. The first byte chooses the format, so that one corpus serves all.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/model/config.h"
#include "core/model/gguf.h"
#include "core/model/gguf_checkpoint.h"
#include "core/model/safetensors.h"

namespace {

using namespace toccata;

void inside(std::span<const std::byte> part, std::span<const std::byte> whole) {
  TOCCATA_CHECK(part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size()));
}

void check_gguf(std::span<const std::byte> bytes) {
  if (const auto gguf = model::parse_gguf(bytes, "fuzz")) {
    for (const auto& [name, tensor] : gguf->tensors) inside(tensor.data, bytes);
  }
  auto files = model::gguf_in_memory("fuzz", bytes);
  if (!files) return;
  try {
    (void)model::load_weights(std::move(*files));
  } catch (const Exception&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);
  switch (data[0] % 3) {
    case 0: check_gguf(bytes); break;
    case 1:
      if (const auto tensors = model::parse_safetensors(bytes, "fuzz")) {
        for (const auto& [name, view] : *tensors) inside(view.data, bytes);
      }
      break;
    default:
      (void)model::parse_config({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "fuzz");
  }
  return 0;
}
