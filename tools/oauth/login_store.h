// Logins between runs: one file a server, whole or not at all, for its owner alone.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "tools/oauth/login.h"

namespace toccata::tools::oauth {

// Any thread and any number of processes. A file is found by the server's name and its address together, so that a name that
// now stands for another address has no login.
class LoginStore {
 public:
  // Folder and lock are made when they are needed. `folder` empty: nothing is kept.
  LoginStore(std::filesystem::path folder, const std::string& name, std::string server_url);

  // Nullopt: none, or one that cannot be read, or of another server.
  std::optional<Login> load() const;
  // kIo naming the file.
  Result<void> save(const Login& login) const;
  // Whether there was one.
  Result<bool> forget() const;
  const std::filesystem::path& file() const { return file_; }

  // Held while a token is renewed: of several processes one asks, and the others find what it got. One that holds it for more than
  // half a minute is not waited for.
  class Lock {
   public:
    explicit Lock(const LoginStore& store);
    ~Lock();
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    int fd_ = -1;
  };

 private:
  std::filesystem::path file_;  // empty: nothing is kept
  std::string server_url_;
};

}  // namespace toccata::tools::oauth
