#include "core/cuda/emulation.h"

#if !defined(__x86_64__) || defined(__SANITIZE_THREAD__)
#define TOCCATA_UCONTEXT
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include <algorithm>
#include <memory>
#include <vector>

#include "core/base/error.h"

namespace toccata::cuda::emulation {
namespace {

// --- Switching stacks. ucontext does it everywhere, but each switch costs two system calls; a kernel of a few thousand threads makes a million of them.

#if defined(TOCCATA_UCONTEXT)

struct Context {
  ucontext_t state{};
  void begin(std::byte* stack, std::size_t bytes, Context& back, void (*entry)()) {
    ::getcontext(&state);
    state.uc_stack.ss_sp = stack;
    state.uc_stack.ss_size = bytes;
    state.uc_link = &back.state;
    ::makecontext(&state, entry, 0);
  }
};
void switch_to(Context& from, Context& to) { ::swapcontext(&from.state, &to.state); }

#else

extern "C" void toccata_switch_stack(void** from, void* to);
// Saves what a called function must keep, changes the stack, restores. System V AMD64 ABI, section 3.2.1.
asm(R"(
.text
.local toccata_switch_stack
.type toccata_switch_stack, @function
toccata_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size toccata_switch_stack, .-toccata_switch_stack
)");

struct Context {
  void* stack = nullptr;
  void begin(std::byte* memory, std::size_t bytes, Context&, void (*entry)()) {
    auto top = reinterpret_cast<std::uintptr_t>(memory + bytes) / 16 * 16;
    auto* at = reinterpret_cast<void**>(top);
    *--at = nullptr;  // where entry would return to; keeps the stack aligned as after a call
    *--at = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; ++i) *--at = nullptr;
    stack = at;
  }
};
void switch_to(Context& from, Context& to) { toccata_switch_stack(&from.stack, to.stack); }

#endif

constexpr unsigned kWarp = 32;
constexpr std::size_t kStackBytes = std::size_t{256} << 10;  // sanitizers need room

// Who waits for whom: a group is complete when every live member waits.
enum class State { kRunnable, kAtBlockBarrier, kAtWarpBarrier, kDone };

struct Thread {
  Context context;
  std::unique_ptr<std::byte[]> stack;
  State state = State::kRunnable;
  Index3 index;
  std::uint64_t given[2] = {};  // in exchanges of even and of odd number: who is one ahead overwrites nothing
  unsigned n_exchanges = 0;
  const void* shown = nullptr;
};

class Block {
 public:
  void run(const Place& where, unsigned n_threads, const std::function<void()>& body) {
    body_ = &body;
    where_ = where;
    n_ = n_threads;
    while (threads_.size() < n_) {
      threads_.emplace_back().stack = std::make_unique<std::byte[]>(kStackBytes);
    }
    for (unsigned i = 0; i < n_; ++i) start(i);
    while (step()) {
    }
  }

  // Runs the next thread that can, or goes back to step() when there is none after this one.
  void wait(State state) {
    Thread& me = threads_[current_];
    me.state = state;
    switch_to(me.context, to_next(current_ + 1) ? threads_[current_].context : scheduler_);
  }
  std::uint64_t exchange(std::uint64_t value, unsigned lane) {
    Thread& me = threads_[current_];
    const unsigned turn = me.n_exchanges++ % 2;
    me.given[turn] = value;
    wait(State::kAtWarpBarrier);
    const unsigned source = current_ / kWarp * kWarp + lane % kWarp;
    return source < n_ ? threads_[source].given[turn] : value;
  }
  void show(const void* mine) {
    threads_[current_].shown = mine;
    wait(State::kAtWarpBarrier);
  }
  const void* shown(unsigned lane) const { return threads_[current_ / kWarp * kWarp + lane].shown; }
  Place& place() { return where_; }

 private:
  void start(unsigned i) {
    Thread& thread = threads_[i];
    thread.state = State::kRunnable;
    thread.n_exchanges = 0;
    const Index3 size = where_.block;
    thread.index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
#if defined(__SANITIZE_ADDRESS__)
    // The block before never returned from its functions: their frames are still marked.
    __asan_unpoison_memory_region(thread.stack.get(), kStackBytes);
#endif
    thread.context.begin(thread.stack.get(), kStackBytes, scheduler_, &Block::enter);
  }
  static void enter();

  // Runs every runnable thread to its next barrier, then opens the barriers that are complete. False when all are done.
  bool step() {
    const bool ran = to_next(0);
    if (ran) switch_to(scheduler_, threads_[current_].context);  // and from there through all others
    bool opened = false;
    for (unsigned first = 0; first < n_; first += kWarp) {
      opened |= open(first, std::min(first + kWarp, n_), State::kAtWarpBarrier);
    }
    if (!opened) opened = open(0, n_, State::kAtBlockBarrier);
    TOCCATA_CHECK(ran || opened, "threads of one block wait at different barriers");
    return opened;
  }
  // Makes the first thread from `first` on that can run the current one.
  bool to_next(unsigned first) {
    for (; first < n_; ++first) {
      if (threads_[first].state != State::kRunnable) continue;
      current_ = first;
      where_.thread_index = threads_[first].index;
      return true;
    }
    return false;
  }
  bool open(unsigned first, unsigned end, State barrier) {
    unsigned waiting = 0;
    unsigned live = 0;
    for (unsigned i = first; i < end; ++i) {
      live += threads_[i].state != State::kDone;
      waiting += threads_[i].state == barrier;
    }
    if (waiting == 0 || waiting < live) return false;
    for (unsigned i = first; i < end; ++i) {
      if (threads_[i].state == barrier) threads_[i].state = State::kRunnable;
    }
    return true;
  }

  const std::function<void()>* body_ = nullptr;
  Place where_;
  unsigned n_ = 0, current_ = 0;
  std::vector<Thread> threads_;
  Context scheduler_;
};

// One device a thread of the test program.
Block& the_block() {
  static thread_local Block block;
  return block;
}

void Block::enter() {
  Block& block = the_block();
  (*block.body_)();
  block.wait(State::kDone);  // for ever: its stack is used again by the next block
}

}  // namespace

Place& place() { return the_block().place(); }
void block_barrier() { the_block().wait(State::kAtBlockBarrier); }
void warp_barrier() { the_block().wait(State::kAtWarpBarrier); }
std::uint64_t exchange(std::uint64_t value, unsigned lane) {
  return the_block().exchange(value, lane);
}
void show(const void* mine) { the_block().show(mine); }
const void* shown(unsigned lane) { return the_block().shown(lane); }

namespace {
thread_local std::int64_t n_launches = 0;
thread_local bool no_capturing = false;
thread_local std::size_t n_awaited = 0;  // calls by the threads of the present launch
}  // namespace

std::int64_t launch_count() { return n_launches; }
void make_capturing_fail(bool fails) { no_capturing = fails; }
bool capturing_fails() { return no_capturing; }
void await_earlier_launches() { ++n_awaited; }

void launch(
    Index3 grid, Index3 block, std::size_t shared_bytes, const std::function<void()>& body, bool overlapped
) {
  ++n_launches;
  n_awaited = 0;
  TOCCATA_CHECK(block.x * block.y * block.z <= 1024 && grid.y <= 65535 && grid.z <= 65535);
  TOCCATA_CHECK(shared_bytes <= std::size_t{227} << 10, "more shared memory than a block can have");
  // Filled with a pattern: shared memory is not zero when a block begins.
  std::vector<std::byte> shared;
  Index3 b;
  for (b.z = 0; b.z < grid.z; ++b.z) {
    for (b.y = 0; b.y < grid.y; ++b.y) {
      for (b.x = 0; b.x < grid.x; ++b.x) {
        shared.assign(shared_bytes + 16, std::byte{0xA5});
        auto* aligned = shared.data();
        while (reinterpret_cast<std::uintptr_t>(aligned) % 16 != 0) ++aligned;
        the_block().run({grid, block, b, {}, aligned}, block.x * block.y * block.z, body);
      }
    }
  }
  const std::size_t n_threads = std::size_t{grid.x} * grid.y * grid.z * block.x * block.y * block.z;
  TOCCATA_CHECK(!overlapped || n_awaited == n_threads, "a thread ran ahead of what earlier launches write");
}

}  // namespace toccata::cuda::emulation
