// Large tables of random access, on pages of 2 MiB where the system gives them: a look-up in a table of 8 MiB otherwise
// misses the TLB as well as the cache (tokenizer_bench).
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <vector>

namespace toccata {

// An allocator for std::vector. What is smaller than a huge page comes from where everything comes from.
template <class T>
struct HugePages {
  using value_type = T;
  static constexpr std::size_t kPage = std::size_t{2} << 20;

  HugePages() = default;
  template <class U>
  HugePages(const HugePages<U>&) {}

  T* allocate(std::size_t n) {
    const std::size_t bytes = n * sizeof(T);
    if (bytes < kPage) return static_cast<T*>(::operator new(bytes));
    void* at = ::operator new(bytes, std::align_val_t{kPage});
    ::madvise(at, bytes / kPage * kPage, MADV_HUGEPAGE);  // advice: where it is not taken, pages are small
    return static_cast<T*>(at);
  }
  void deallocate(T* at, std::size_t n) {
    if (n * sizeof(T) < kPage) return ::operator delete(at);
    ::operator delete(at, std::align_val_t{kPage});
  }
  bool operator==(const HugePages&) const = default;
};

template <class T>
using HugeVector = std::vector<T, HugePages<T>>;

}  // namespace toccata
