#include "tools/secrets/secrets.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace toccata::tools {
namespace {

constexpr std::size_t kNameBytesMax = 64;

// A file that only its owner, who is this user, can read or change.
Result<std::string> read_private_file(const std::filesystem::path& path) {
  const auto wrong = [&](ErrorCode code, const std::string& what) { return Error{code, path.string() + ": " + what}; };
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return wrong(errno == ENOENT || errno == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo, strerror(errno));
  struct stat about = {};
  std::string text(Redactor::kSecretBytesMax + 3, '\0');
  ssize_t n = -1;
  const bool looked = fstat(fd, &about) == 0;
  if (looked && S_ISREG(about.st_mode)) n = read(fd, text.data(), text.size());
  close(fd);
  if (!looked || !S_ISREG(about.st_mode)) return wrong(ErrorCode::kInvalidArgument, "is no file, expected one with the secret in it");
  if (about.st_uid != geteuid()) return wrong(ErrorCode::kPermissionDenied, "belongs to another user, expected a file of your own");
  if ((about.st_mode & 077) != 0) {
    return wrong(ErrorCode::kPermissionDenied, "others may read or change it, expected a file for its owner alone: chmod 600 " + path.string());
  }
  if (n < 0) return wrong(ErrorCode::kIo, "cannot be read");
  text.resize(static_cast<std::size_t>(n));
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

}  // namespace

bool Secrets::is_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && name[0] != '.' && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
}

Result<void> Secrets::declare(const std::string& name, const SecretSource& source) {
  if (!is_name(name)) {
    return Error{ErrorCode::kInvalidArgument, "found the secret name '" + name.substr(0, kNameBytesMax) + "', expected letters, digits, _, - and ."};
  }
  const std::lock_guard lock(mutex_);
  const auto [known, added] = declared_.emplace(name, source);
  if (added) looked_for_all_ = false;
  if (!added && known->second == SecretSource{}) known->second = source;
  if (source != SecretSource{} && known->second != source) {
    return Error{ErrorCode::kInvalidArgument, "two files say that the secret " + name + " is found in different places: give one another name"};
  }
  return {};
}

std::filesystem::path Secrets::file_of(const std::string& name, const SecretSource& source) const {
  const std::string text = source.file.string();
  if (text.empty()) return folder_ / name;
  return text.starts_with("~/") ? home_ / text.substr(2) : source.file;
}

Result<std::string> Secrets::read(const std::string& name, const SecretSource& source) const {
  const std::filesystem::path file = file_of(name, source);
  std::optional<std::string> value;
  std::string from = file.string();
  if (source.file.empty()) {
    const std::string variable = source.variable.empty() ? name : source.variable;
    value = variables_(variable);
    if (value) from = "the variable " + variable;
    if (!value && !source.variable.empty()) {
      return Error{ErrorCode::kNotFound, "the secret " + name + " is not there: the variable " + variable + " is not set"};
    }
  }
  if (!value) {
    Result<std::string> text = read_private_file(file);
    if (!text && text.error().code == ErrorCode::kNotFound && source.file.empty()) {
      return Error{ErrorCode::kNotFound, "the secret " + name + " is not there: set the variable " + name + ", or write it into " + file.string()};
    }
    if (!text) return Error{text.error().code, "the secret " + name + " cannot be used: " + text.error().message};
    value = std::move(*text);
  }
  const auto wrong = [&](const std::string& what) {
    return Error{ErrorCode::kInvalidArgument, "the secret " + name + " cannot be used: " + from + " holds " + what};
  };
  if (value->size() < Redactor::kSecretBytesMin) {
    return wrong("fewer than " + std::to_string(Redactor::kSecretBytesMin) + " bytes, and so short a text cannot be kept out of what the model reads");
  }
  if (value->size() > Redactor::kSecretBytesMax) return wrong("more than " + std::to_string(Redactor::kSecretBytesMax) + " bytes");
  if (value->find('\0') != std::string::npos) return wrong("a NUL character");
  return std::move(*value);
}

// Under the lock.
void Secrets::remember(const std::string& name, const std::string& value) {
  const Secret secret{name, value};
  if (std::find(known_.begin(), known_.end(), secret) != known_.end()) return;
  known_.push_back(secret);
  redactor_ = std::make_shared<Redactor>(known_);
}

void Secrets::keep_out(const std::string& name, const std::string& value) {
  const std::lock_guard lock(mutex_);
  remember(name, value);
}

Result<std::string> Secrets::value(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = declared_.find(name);
  if (found == declared_.end()) return Error{ErrorCode::kNotFound, "the secret " + name + " was not declared"};
  Result<std::string> value = read(name, found->second);
  if (value) remember(name, *value);
  return value;
}

std::string Secrets::whereabouts(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = declared_.find(name);
  if (found == declared_.end()) return "not declared";
  const SecretSource& source = found->second;
  const std::string variable = source.variable.empty() ? name : source.variable;
  const bool from_variable = source.file.empty() && (!source.variable.empty() || variables_(variable));
  const std::string place = from_variable ? "variable " + variable : "file " + file_of(name, source).string();
  const Result<std::string> value = read(name, source);
  return place + (value ? "" : ": " + value.error().message);
}

std::shared_ptr<const Redactor> Secrets::redactor() {
  const std::lock_guard lock(mutex_);
  if (!looked_for_all_) {
    looked_for_all_ = true;
    for (const auto& [name, source] : declared_) {
      if (const Result<std::string> value = read(name, source)) remember(name, *value);
    }
  }
  return redactor_;
}

std::string Secrets::redact(std::string_view text) {
  const auto redactor = this->redactor();
  return redactor->redact(text);
}

}  // namespace toccata::tools
