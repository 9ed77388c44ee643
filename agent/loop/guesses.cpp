#include "agent/loop/guesses.h"

#include <system_error>

#include "core/base/json.h"

namespace toccata::agent {

Guess::Guess(Foresight foresight, Work work)
    : foresight_(foresight), thread_([this, work = std::move(work)](const std::stop_token& stop) {
        End end;
        try {
          end.result = work(stop);
        } catch (const std::exception&) {  // made again by the run, where it is heard
        }
        end.took = Clock::now() - begun_;
        const std::lock_guard lock(mutex_);
        end_ = std::move(end);
        ended_.notify_all();
      }) {}

bool Guess::is_over() const {
  const std::lock_guard lock(mutex_);
  return end_.has_value();
}

Guess::End Guess::wait(const std::stop_token& stop) {
  const std::stop_callback stopped(stop, [this] { request_stop(); });
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return end_.has_value(); });
  return *end_;
}

std::string Guesses::canonical(std::string_view json) {
  if (!is_json(json)) return std::string(json);
  std::string text;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (in_string || !blank) text += c;
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\') text += json[++i];  // whatever is escaped, a quote among others
  }
  return text;
}

bool Guesses::start(const Key& key, Foresight foresight, Guess::Work work) {
  const std::lock_guard lock(mutex_);
  std::erase_if(leaving_, [](const auto& guess) { return guess->is_over(); });
  if (open_.contains(key) || std::ssize(open_) + std::ssize(leaving_) >= n_max_) return false;
  try {
    open_.emplace(key, std::make_unique<Guess>(foresight, std::move(work)));
  } catch (const std::system_error&) {  // no thread to spare
    return false;
  }
  ++count_.made;
  return true;
}

std::unique_ptr<Guess> Guesses::take(const Key& key) {
  const std::lock_guard lock(mutex_);
  if (auto found = open_.extract(key)) {
    ++count_.used;
    return std::move(found.mapped());
  }
  drop_if([](const Guess& guess) { return guess.foresight() == Foresight::kGuessed; });
  return nullptr;
}

void Guesses::drop() {
  const std::lock_guard lock(mutex_);
  drop_if([](const Guess&) { return true; });
}

template <class Predicate>
void Guesses::drop_if(const Predicate& predicate) {
  for (auto it = open_.begin(); it != open_.end();) {
    if (!predicate(*it->second)) {
      ++it;
      continue;
    }
    it->second->request_stop();
    leaving_.push_back(std::move(it->second));
    unused_.push_back(it->first);
    it = open_.erase(it);
  }
}

void Guesses::end() {
  drop();
  std::vector<std::unique_ptr<Guess>> leaving;
  {
    const std::lock_guard lock(mutex_);
    leaving.swap(leaving_);
  }
}

bool Guesses::empty() const {
  const std::lock_guard lock(mutex_);
  return open_.empty();
}

bool Guesses::contains(const Key& key) const {
  const std::lock_guard lock(mutex_);
  return open_.contains(key);
}

Guesses::Count Guesses::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

std::vector<Guesses::Key> Guesses::take_unused() {
  const std::lock_guard lock(mutex_);
  return std::exchange(unused_, {});
}

}  // namespace toccata::agent
