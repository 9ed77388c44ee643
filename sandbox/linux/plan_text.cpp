#include "sandbox/linux/plan_text.h"

#include <cstring>
#include <type_traits>

namespace toccata::sandbox {
namespace {

// One description of the fields for both directions. Both ends are built from the same source, so numbers go as they
// lie in memory.
struct Writer {
  std::string bytes;

  template <class T>
  requires(std::is_trivially_copyable_v<T>) void operator()(const T& value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void operator()(const std::string& text) {
    (*this)(text.size());
    bytes += text;
  }
};

struct Reader {
  std::string_view bytes;
  bool ok = true;

  template <class T>
  requires(std::is_trivially_copyable_v<T>) void operator()(T& value) {
    if (bytes.size() < sizeof value) {
      ok = false;
      return;
    }
    std::memcpy(&value, bytes.data(), sizeof value);
    bytes.remove_prefix(sizeof value);
  }
  void operator()(std::string& text) {
    std::size_t size = 0;
    (*this)(size);
    if (size > bytes.size()) ok = false;
    if (!ok) return;
    text.assign(bytes.data(), size);
    bytes.remove_prefix(size);
  }
};

template <class Way, class Item>
void field(Way& way, Item& item) {
  way(item);
}
void field(auto& way, Bind& bind) { way(bind.path), way(bind.folder), way(bind.device); }
void field(auto& way, RootEntry& entry) { way(entry.kind), way(entry.path), way(entry.text); }
void field(auto& way, Tmpfs& tmpfs) { way(tmpfs.path), way(tmpfs.options); }

void list(Writer& way, auto& items) {
  way(items.size());
  for (auto& item : items) field(way, item);
}
void list(Reader& way, auto& items) {
  std::size_t n = 0;
  way(n);
  for (std::size_t i = 0; i < n && way.ok; ++i) field(way, items.emplace_back());
}

void fields(auto& way, Plan& plan) {
  way(plan.level);
  way(plan.role);
  way(plan.host_is_root);
  list(way, plan.binds);
  list(way, plan.root);
  list(way, plan.tmpfs);
  way(plan.proc_options);
  list(way, plan.rlimits);
  list(way, plan.filter);
  way(plan.proxy_port);
  way(plan.folder);
}

}  // namespace

std::string to_bytes(const Plan& plan) {
  Plan copy = plan;
  Writer writer;
  fields(writer, copy);
  return std::move(writer.bytes);
}

std::optional<Plan> plan_from(std::string_view bytes) {
  Plan plan;
  Reader reader{bytes};
  fields(reader, plan);
  if (!reader.ok || !reader.bytes.empty()) return std::nullopt;
  return plan;
}

}  // namespace toccata::sandbox
