#include "agent/store/response_archive.h"

#include <chrono>
#include <cstring>

#include "agent/store/ledger_impl.h"

extern "C" const char store_responses_begin[], store_responses_end[];

namespace toccata::store {
namespace {

constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;

std::int64_t system_time_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// The ledger makes its own tables first, so that the file is one.
Database open_tables(const std::filesystem::path& path) {
  if (path != ":memory:") (void)Ledger::open(path).value_or_throw();
  Database db(path);
  Transaction transaction(db);
  db.execute(std::string(store_responses_begin, store_responses_end).c_str());
  transaction.commit();
  return db;
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }
std::span<const std::byte> bytes_of(const std::vector<std::int64_t>& numbers) { return std::as_bytes(std::span(numbers)); }

std::vector<std::int64_t> numbers(const Statement& row, int column) {
  const std::string bytes = row.text(column);
  std::vector<std::int64_t> result(bytes.size() / sizeof(std::int64_t));
  if (!result.empty()) std::memcpy(result.data(), bytes.data(), result.size() * sizeof(std::int64_t));
  return result;
}

std::vector<std::string> split_events(const std::string& joined) {
  std::vector<std::string> events;
  for (std::size_t at = 0; at < joined.size();) {
    const auto end = joined.find("\n\n", at);
    const auto next = end == std::string::npos ? joined.size() : end + 2;
    events.push_back(joined.substr(at, next - at));
    at = next;
  }
  return events;
}

}  // namespace

// --- Responses -------------------------------------------------------------------------------------------------------

struct ResponseArchive::Impl {
  Impl(const std::filesystem::path& path, WallClock wall_clock)
      : db(open_tables(path)),
        clock(std::move(wall_clock)),
        begin(db, "INSERT INTO responses (id, created_ms, process, background, finished, json, input, output, events)"
                  " VALUES (?1, ?2, ?3, ?4, 0, ?5, x'', x'', '')"),
        number(db, "SELECT n FROM responses WHERE id = ?1"),
        finish(db, "UPDATE responses SET finished = 1, json = ?2, input = ?3, output = ?4, events = ?5 WHERE n = ?1"),
        use_item(db, "UPDATE response_items SET uses = uses + 1, id = CASE WHEN ?2 = '' THEN id ELSE ?2 END"
                     " WHERE sha256 = ?1 RETURNING n"),
        add_item(db, "INSERT INTO response_items (sha256, id, json, uses) VALUES (?1, ?2, ?3, 1)"),
        add_step(db, "INSERT OR REPLACE INTO response_steps (key, response, tokens) VALUES (?1, ?2, ?3)"),
        find(db, "SELECT json, background, finished, process, input, output, events FROM responses WHERE id = ?1"),
        item(db, "SELECT json FROM response_items WHERE n = ?1"),
        item_by_id(db, "SELECT json FROM response_items WHERE id = ?1 AND id != '' ORDER BY n DESC LIMIT 1"),
        step(db, "SELECT tokens FROM response_steps WHERE key = ?1"),
        drop_item(db, "UPDATE response_items SET uses = uses - 1, id = CASE WHEN ?2 THEN '' ELSE id END WHERE n = ?1"),
        sweep_item(db, "DELETE FROM response_items WHERE n = ?1 AND uses <= 0"),
        drop_steps(db, "DELETE FROM response_steps WHERE response = ?1"),
        drop(db, "DELETE FROM responses WHERE n = ?1"),
        self(this_process()) {}

  std::int64_t put_item(const std::string& json, std::string_view id) {
    const std::string hash = sha256(json);
    std::optional<std::int64_t> n;
    if (use_item.bind(bytes_of(hash), id).next()) n = use_item.integer(0);
    use_item.reset();
    if (n) return *n;
    add_item.bind(bytes_of(hash), id, json).run();
    return add_item.last_row();
  }

  std::vector<ItemText> read_items(const std::vector<std::int64_t>& wanted) {
    std::vector<ItemText> items;
    for (const std::int64_t n : wanted) {
      if (item.bind(n).next()) items.push_back(std::make_shared<const std::string>(item.text(0)));
    }
    item.reset();
    return items;
  }

  // Inside a transaction.
  bool erase(const std::string& id) {
    number.bind(id);
    if (!number.next()) return false;
    const std::int64_t n = number.integer(0);
    number.reset();
    find.bind(id).next();
    const auto input = numbers(find, 4), output = numbers(find, 5);
    find.reset();
    const auto let_go = [&](std::int64_t item_n, bool was_output) {
      drop_item.bind(item_n, was_output).run();
      sweep_item.bind(item_n).run();
    };
    for (const std::int64_t item_n : input) let_go(item_n, false);
    for (const std::int64_t item_n : output) let_go(item_n, true);
    drop_steps.bind(n).run();
    drop.bind(n).run();
    return true;
  }

  void forget_before(std::int64_t ms) {
    Transaction transaction(db);
    std::vector<std::string> old;
    Statement row(db, "SELECT id FROM responses WHERE created_ms < ?1");
    row.bind(ms);
    while (row.next()) old.push_back(row.text(0));
    for (const std::string& id : old) erase(id);
    transaction.commit();
  }

  Database db;
  WallClock clock;
  Statement begin, number, finish, use_item, add_item, add_step, find, item, item_by_id, step, drop_item, sweep_item,
      drop_steps, drop;
  const std::string self;
};

ResponseArchive::ResponseArchive(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ResponseArchive::~ResponseArchive() = default;

Result<std::unique_ptr<ResponseArchive>> ResponseArchive::open(const std::filesystem::path& path, int days_kept, WallClock clock) {
  try {
    auto impl = std::make_unique<Impl>(path, clock ? std::move(clock) : system_time_ms);
    impl->forget_before(impl->clock() - days_kept * kDayMs);
    return std::unique_ptr<ResponseArchive>(new ResponseArchive(std::move(impl)));
  } catch (const Exception& failure) {
    return failure.error();
  }
}

void ResponseArchive::begin(const std::string& id, bool background, const std::string& json) {
  const std::lock_guard lock(mutex_);
  impl_->begin.bind(id, impl_->clock(), impl_->self, background, json).run();
}

void ResponseArchive::finish(
    const std::string& id, const std::string& json, const std::vector<ItemText>& input,
    const std::vector<NamedItem>& output, const std::vector<std::string>& events, const std::vector<SampledStep>& steps
) {
  const std::lock_guard lock(mutex_);
  Transaction transaction(impl_->db);
  const bool known = impl_->number.bind(id).next();
  const std::int64_t n = known ? impl_->number.integer(0) : 0;
  impl_->number.reset();
  if (!known) return;
  std::vector<std::int64_t> inputs, outputs;
  for (const ItemText& item : input) inputs.push_back(impl_->put_item(*item, ""));
  for (const NamedItem& item : output) outputs.push_back(impl_->put_item(*item.json, item.id));
  std::string joined;
  for (const std::string& event : events) joined += event;
  impl_->finish.bind(n, json, bytes_of(inputs), bytes_of(outputs), joined).run();
  for (const SampledStep& step : steps) {
    impl_->add_step.bind(bytes_of(step.key), n, std::span<const Token>(step.tokens)).run();
  }
  transaction.commit();
}

std::optional<ArchivedResponse> ResponseArchive::find(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Statement& row = impl_->find;
  row.bind(id);
  if (!row.next()) return std::nullopt;
  ArchivedResponse found{.id = id, .json = row.text(0), .background = row.integer(1) != 0, .finished = row.integer(2) != 0};
  const std::string process = row.text(3);
  found.is_elsewhere = !found.finished && process != impl_->self && is_alive(process);
  const auto input = numbers(row, 4), output = numbers(row, 5);
  found.events = split_events(row.text(6));
  row.reset();
  found.input = impl_->read_items(input);
  found.output = impl_->read_items(output);
  return found;
}

ItemText ResponseArchive::find_item(const std::string& item_id) {
  const std::lock_guard lock(mutex_);
  ItemText found;
  if (impl_->item_by_id.bind(item_id).next()) found = std::make_shared<const std::string>(impl_->item_by_id.text(0));
  impl_->item_by_id.reset();
  return found;
}

std::optional<Tokens> ResponseArchive::find_step(const std::string& key) {
  const std::lock_guard lock(mutex_);
  std::optional<Tokens> tokens;
  if (impl_->step.bind(bytes_of(key)).next()) tokens = impl_->step.tokens(0);
  impl_->step.reset();
  return tokens;
}

bool ResponseArchive::erase(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Transaction transaction(impl_->db);
  const bool erased = impl_->erase(id);
  transaction.commit();
  return erased;
}

// --- Conversations ---------------------------------------------------------------------------------------------------

struct ConversationArchive::Impl {
  Impl(const std::filesystem::path& path, WallClock wall_clock)
      : db(open_tables(path)),
        clock(std::move(wall_clock)),
        row(db, "SELECT n, created_ms, metadata FROM conversations WHERE id = ?1"),
        next_seq(db, "SELECT coalesce(max(seq) + 1, 0) FROM conversation_items WHERE conversation = ?1"),
        has_item(db, "SELECT 1 FROM conversation_items WHERE conversation = ?1 AND id = ?2"),
        add_item(db, "INSERT INTO conversation_items VALUES (?1, ?2, ?3, ?4)") {}

  std::optional<std::int64_t> number(const std::string& id) {
    std::optional<std::int64_t> n;
    if (row.bind(id).next()) n = row.integer(0);
    row.reset();
    return n;
  }

  // Inside a transaction.
  void append(std::int64_t n, const std::vector<NamedItem>& items) {
    next_seq.bind(n).next();
    std::int64_t seq = next_seq.integer(0);
    next_seq.reset();
    for (const NamedItem& item : items) {
      const bool there = has_item.bind(n, item.id).next();
      has_item.reset();
      if (there) throw Exception(ErrorCode::kInvalidArgument, "the item '" + item.id + "' is in the conversation already");
      add_item.bind(n, seq++, item.id, *item.json).run();
    }
  }

  Database db;
  WallClock clock;
  Statement row, next_seq, has_item, add_item;
};

ConversationArchive::ConversationArchive(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ConversationArchive::~ConversationArchive() = default;

Result<std::unique_ptr<ConversationArchive>> ConversationArchive::open(const std::filesystem::path& path, WallClock clock) {
  try {
    return std::unique_ptr<ConversationArchive>(
        new ConversationArchive(std::make_unique<Impl>(path, clock ? std::move(clock) : system_time_ms))
    );
  } catch (const Exception& failure) {
    return failure.error();
  }
}

ConversationInfo ConversationArchive::create(const std::string& id, const std::string& metadata, const std::vector<NamedItem>& items) {
  const std::lock_guard lock(mutex_);
  const ConversationInfo info{impl_->clock(), metadata};
  Transaction transaction(impl_->db);
  Statement insert(impl_->db, "INSERT INTO conversations (id, created_ms, metadata) VALUES (?1, ?2, ?3)");
  insert.bind(id, info.created_ms, metadata).run();
  impl_->append(insert.last_row(), items);
  transaction.commit();
  return info;
}

std::optional<ConversationInfo> ConversationArchive::find(const std::string& id) {
  const std::lock_guard lock(mutex_);
  std::optional<ConversationInfo> info;
  if (impl_->row.bind(id).next()) info = {impl_->row.integer(1), impl_->row.text(2)};
  impl_->row.reset();
  return info;
}

bool ConversationArchive::set_metadata(const std::string& id, const std::string& metadata) {
  const std::lock_guard lock(mutex_);
  if (!impl_->number(id)) return false;
  Statement(impl_->db, "UPDATE conversations SET metadata = ?2 WHERE id = ?1").bind(id, metadata).run();
  return true;
}

bool ConversationArchive::erase(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Transaction transaction(impl_->db);
  const auto n = impl_->number(id);
  if (!n) return false;
  Statement(impl_->db, "DELETE FROM conversation_items WHERE conversation = ?1").bind(*n).run();
  Statement(impl_->db, "DELETE FROM conversations WHERE n = ?1").bind(*n).run();
  transaction.commit();
  return true;
}

std::optional<std::vector<NamedItem>> ConversationArchive::items(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto n = impl_->number(id);
  if (!n) return std::nullopt;
  std::vector<NamedItem> items;
  Statement row(impl_->db, "SELECT id, json FROM conversation_items WHERE conversation = ?1 ORDER BY seq");
  row.bind(*n);
  while (row.next()) items.push_back({row.text(0), std::make_shared<const std::string>(row.text(1))});
  return items;
}

bool ConversationArchive::append(const std::string& id, const std::vector<NamedItem>& items) {
  const std::lock_guard lock(mutex_);
  Transaction transaction(impl_->db);
  const auto n = impl_->number(id);
  if (!n) return false;
  impl_->append(*n, items);
  transaction.commit();
  return true;
}

bool ConversationArchive::erase_item(const std::string& id, const std::string& item_id) {
  const std::lock_guard lock(mutex_);
  const auto n = impl_->number(id);
  if (!n) return false;
  Statement remove(impl_->db, "DELETE FROM conversation_items WHERE conversation = ?1 AND id = ?2 RETURNING seq");
  remove.bind(*n, item_id);
  bool removed = false;
  while (remove.next()) removed = true;
  return removed;
}

}  // namespace toccata::store
