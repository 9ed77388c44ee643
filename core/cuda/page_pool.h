// Page numbers with reference counts. The pages themselves lie in device memory, one array a layer.
#pragma once

#include <vector>

namespace toccata::cuda {

class PagePool {
 public:
  explicit PagePool(int n_pages = 0) : references_(static_cast<std::size_t>(n_pages)) {
    for (int page = n_pages - 1; page >= 0; --page) free_.push_back(page);
  }
  int n_free() const { return static_cast<int>(free_.size()); }
  int n_pages() const { return static_cast<int>(references_.size()); }
  // A page of its own; -1 when there is none.
  int take() {
    if (free_.empty()) return -1;
    const int page = free_.back();
    free_.pop_back();
    references_[static_cast<std::size_t>(page)] = 1;
    return page;
  }
  void share(int page) { ++references_[static_cast<std::size_t>(page)]; }
  void give_back(int page) {
    if (--references_[static_cast<std::size_t>(page)] == 0) free_.push_back(page);
  }
  bool shared(int page) const { return references_[static_cast<std::size_t>(page)] > 1; }

 private:
  std::vector<int> references_;
  std::vector<int> free_;
};

}  // namespace toccata::cuda
