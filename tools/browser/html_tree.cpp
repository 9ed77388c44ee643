#include "tools/browser/html_tree.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <bit>
#include <csetjmp>
#include <cstdlib>
#include <vector>

namespace toccata::tools {
namespace {

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

// Memory for one parse. gumbo cannot be told that there is no memory or time left, and frees its trees by recursion as
// deep as the page nests: so allocation is where a parse is left, with longjmp over its C frames (which own nothing but
// this memory), and the tree is never freed by gumbo but here, block by block.
class HtmlTree::Arena {
 public:
  ~Arena() {
    for (void* block : blocks_) std::free(block);
  }

  void* allocate(std::size_t bytes) {
    const auto size_class = static_cast<std::size_t>(std::bit_width((bytes + kHeader - 1) | (kSmallest - 1)));
    const std::size_t whole = std::size_t{1} << size_class;
    if (++n_calls_ % 1024 == 0 && cpu_seconds() > deadline) std::longjmp(leave, 1);
    Slot* slot = free_[size_class];
    if (slot != nullptr) {
      free_[size_class] = slot->next;
    } else {
      slot = static_cast<Slot*>(fresh(whole));
    }
    slot->size_class = size_class;
    return reinterpret_cast<char*>(slot) + kHeader;
  }

  void release(void* memory) {
    if (memory == nullptr) return;
    auto* slot = reinterpret_cast<Slot*>(static_cast<char*>(memory) - kHeader);
    slot->next = free_[slot->size_class];
    free_[slot->size_class] = slot;
  }

  std::jmp_buf leave;
  double deadline = 0;
  std::size_t bytes_max = 0;

 private:
  struct Slot {
    std::size_t size_class;
    Slot* next;  // while it is free
  };
  static constexpr std::size_t kHeader = 16;
  static constexpr std::size_t kSmallest = 32;
  static constexpr std::size_t kBlock = std::size_t{256} << 10;

  void* fresh(std::size_t bytes) {
    if (bytes > left_) {
      const std::size_t block = std::max(bytes, kBlock);
      used_ += block;
      void* memory = used_ > bytes_max ? nullptr : std::malloc(block);
      if (memory == nullptr) std::longjmp(leave, 1);
      blocks_.push_back(memory);
      next_ = static_cast<char*>(memory);
      left_ = block;
    }
    void* memory = next_;
    next_ += bytes;
    left_ -= bytes;
    return memory;
  }

  std::array<Slot*, 65> free_{};
  std::vector<void*> blocks_;
  char* next_ = nullptr;
  std::size_t left_ = 0, used_ = 0, n_calls_ = 0;
};

HtmlTree::HtmlTree() : arena_(std::make_unique<Arena>()) {}
HtmlTree::~HtmlTree() = default;

bool HtmlTree::parse(std::string_view source, const HtmlLimits& limits) {
  arena_->bytes_max = limits.bytes_max;
  arena_->deadline = cpu_seconds() + limits.cpu_seconds_max;
  GumboOptions options = kGumboDefaultOptions;
  options.userdata = arena_.get();
  options.allocator = [](void* arena, std::size_t bytes) { return static_cast<Arena*>(arena)->allocate(bytes); };
  options.deallocator = [](void* arena, void* memory) { static_cast<Arena*>(arena)->release(memory); };
  options.max_errors = 0;
  if (setjmp(arena_->leave) != 0) return false;
  output_ = gumbo_parse_with_options(&options, source.data(), source.size());
  return true;
}

}  // namespace toccata::tools
