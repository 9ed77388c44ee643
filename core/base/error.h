// Errors and how they travel.
//
//   a bug of ours                       CHECK(...) throws std::logic_error; nobody catches it but main
//   the world cannot give what we need  throw Exception(Error{...}); caught in main, the Python translator, the tool
//                                       dispatcher
//   the caller must choose what's next  Result<T>, handled on the next line
//
// Messages say what was found, what was expected, where, and what to do.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace toccata {

enum class ErrorCode {
  kInvalidArgument,    // the caller or the user asked for something impossible
  kNotFound,           // a file, model, run or tool that is not there
  kCorrupt,            // data that breaks its own format
  kUnsupported,        // well-formed, but not something we handle
  kUnavailable,        // a service, device or kernel facility that is missing
  kResourceExhausted,  // context full, memory, disk, budget
  kPermissionDenied,
  kTimeout,
  kCancelled,
  kIo,
};

// "invalid argument", "not found", ...
const char* to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInvalidArgument;
  std::string message;
  friend bool operator==(const Error&, const Error&) = default;
};

class Exception : public std::runtime_error {
 public:
  explicit Exception(Error error) : std::runtime_error(error.message), code_(error.code) {}
  Exception(ErrorCode code, const std::string& message)
      : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }
  Error error() const { return Error{code_, what()}; }

 private:
  ErrorCode code_;
};

// A value or the reason there is none. Result<void> holds nothing on success.
//   Result<int> n = parse(text);
//   if (!n) return n.error();
//   use(*n);
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : state_(std::move(error)) {}  // NOLINT
  explicit operator bool() const { return state_.index() == 0; }
  bool ok() const { return state_.index() == 0; }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return std::get<1>(state_); }
  // The value, or throws Exception: for callers that have no other choice. By value: a loop over the result of a call
  // must not outlive it.
  T value_or_throw() && {
    if (!ok()) throw Exception(error());
    return std::move(value());
  }

 private:
  T& value() { return std::get<0>(state_); }
  const T& value() const { return std::get<0>(state_); }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT
  explicit operator bool() const { return !error_; }
  bool ok() const { return !error_; }
  const Error& error() const { return *error_; }
  void value_or_throw() const {
    if (error_) throw Exception(*error_);
  }

 private:
  std::optional<Error> error_;
};

[[noreturn]] void check_failed(
    const char* condition, const char* file, int line, const std::string& detail = {}
);

}  // namespace toccata

// A condition that only a bug of ours can break. CHECK(cond) or CHECK(cond, "detail").
#define TOCCATA_CHECK(condition, ...) \
  ((condition) ? void(0) : ::toccata::check_failed(#condition, __FILE__, __LINE__ __VA_OPT__(, ) __VA_ARGS__))
