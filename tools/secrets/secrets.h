// Secrets by reference: files and configurations name them, programs and services get their values, and nobody else does.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "tools/secrets/redactor.h"

namespace toccata::tools {

// Where a value is found: one of them, or neither = the usual places.
struct SecretSource {
  std::string variable = {};
  std::filesystem::path file = {};  // whole, without the line break at its end; owned by the user, closed to everyone else
  friend bool operator==(const SecretSource&, const SecretSource&) = default;
};

// The secrets that one run may use. A value is read when it is needed, each time, and stays known to redact() from then on.
// Any thread.
class Secrets {
 public:
  using Variables = std::function<std::optional<std::string>(const std::string&)>;
  // `folder`: of files named like secrets, where no variable is called so. `home`: what "~/" in a file's name means.
  Secrets(Variables variables, std::filesystem::path folder, std::filesystem::path home)
      : variables_(std::move(variables)), folder_(std::move(folder)), home_(std::move(home)) {}

  // From now on the run may ask for it; without a source where another file says it is. kInvalidArgument for a name that is none, or
  // when another file named another source.
  Result<void> declare(const std::string& name, const SecretSource& source = {});
  // Never says a value. kNotFound: it is nowhere; kPermissionDenied: others could read the file; kInvalidArgument: shorter
  // than Redactor::kSecretBytesMin or longer than its maximum, or a NUL in it.
  Result<std::string> value(const std::string& name);
  // A value that is known already and named in no file; short ones are passed over.
  void keep_out(const std::string& name, const std::string& value);
  // Where it would be read, and whether it is there: "variable X", "file /x (missing)". For people; never the value.
  std::string whereabouts(const std::string& name);

  // Every declared secret that can be found is looked for, and every value that was ever given.
  std::string redact(std::string_view text);
  // For texts in pieces; empty when nothing is secret.
  std::shared_ptr<const Redactor> redactor();

  // Letters, digits, '_', '-' and '.', at most 64.
  static bool is_name(std::string_view name);

 private:
  Result<std::string> read(const std::string& name, const SecretSource& source) const;
  std::filesystem::path file_of(const std::string& name, const SecretSource& source) const;
  void remember(const std::string& name, const std::string& value);

  Variables variables_;
  std::filesystem::path folder_, home_;
  std::mutex mutex_;  // guards what follows
  std::map<std::string, SecretSource> declared_;
  bool looked_for_all_ = false;
  std::vector<Secret> known_;
  std::shared_ptr<const Redactor> redactor_ = std::make_shared<Redactor>();
};

}  // namespace toccata::tools
