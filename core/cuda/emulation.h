// A CUDA device made of ordinary functions, so that kernels run, are stepped through and are tested where there is no
// GPU: the same kernel source, compiled as C++.
//
// Blocks run one after another. The threads of a block are coroutines on one operating-system thread: each runs until it
// meets a barrier (block or warp) and goes on when all threads that still live have met it. Wrong indexing, missing
// barriers between writers and readers of different phases, and reads past the end (under AddressSanitizer) show up;
// races that need real concurrency, and anything about speed, do not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace toccata::cuda::emulation {

struct Index3 {
  unsigned x = 1, y = 1, z = 1;
};

// Where the running thread is. Named as kernels know them below.
struct Place {
  Index3 grid, block, block_index, thread_index;
  std::byte* shared = nullptr;  // the block's dynamic shared memory
};
Place& place();

// Runs `body` once for each thread of each block. `overlapped`: CHECKs that every thread called
// await_earlier_launches(), since on a GPU the launch before might still run.
void launch(
    Index3 grid, Index3 block, std::size_t shared_bytes, const std::function<void()>& body, bool overlapped = false
);
// How many there were on this thread of the program.
std::int64_t launch_count();

void await_earlier_launches();

// For tests: graphs cannot be captured from now on, or can again.
void make_capturing_fail(bool fails);
bool capturing_fails();

void block_barrier();
void warp_barrier();
// Gives `value` to the warp and returns what the thread `lane` gave. All live threads of the warp must call it together.
std::uint64_t exchange(std::uint64_t value, unsigned lane);
// Shows `mine` to the warp; after it, shown(lane) is what that lane shows, until the warp_barrier() that must follow.
void show(const void* mine);
const void* shown(unsigned lane);

}  // namespace toccata::cuda::emulation
