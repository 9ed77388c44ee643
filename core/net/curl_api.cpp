#include "core/net/curl_api.h"

#include <dlfcn.h>

#include <string>

namespace toccata::net {
namespace {

constexpr unsigned kOldestVersion = 0x075500;  // 7.85.0

Error unavailable(const std::string& why) {
  return Error{
      ErrorCode::kUnavailable,
      "HTTP needs libcurl.so.4, version 7.85 or newer: " + why +
          " (Debian and Ubuntu: apt install libcurl4)"};
}

}  // namespace

Result<CurlApi> CurlApi::load() {
  void* library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return unavailable(dlerror());
  std::string missing;
  const auto find = [&](const char* name, auto& function) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (function == nullptr) missing = name;
  };
  decltype(&curl_global_init) global_init = nullptr;
  decltype(&curl_version_info) version_info = nullptr;
  CurlApi api;
  find("curl_global_init", global_init);
  find("curl_version_info", version_info);
  find("curl_easy_init", api.easy_init);
  find("curl_easy_cleanup", api.easy_cleanup);
  find("curl_easy_setopt", api.easy_setopt);
  find("curl_easy_getinfo", api.easy_getinfo);
  find("curl_easy_pause", api.easy_pause);
  find("curl_easy_strerror", api.easy_strerror);
  find("curl_slist_append", api.slist_append);
  find("curl_slist_free_all", api.slist_free_all);
  find("curl_multi_init", api.multi_init);
  find("curl_multi_cleanup", api.multi_cleanup);
  find("curl_multi_add_handle", api.multi_add_handle);
  find("curl_multi_remove_handle", api.multi_remove_handle);
  find("curl_multi_perform", api.multi_perform);
  find("curl_multi_poll", api.multi_poll);
  find("curl_multi_wakeup", api.multi_wakeup);
  find("curl_multi_info_read", api.multi_info_read);
  find("curl_multi_strerror", api.multi_strerror);
  if (!missing.empty()) return unavailable("it has no function " + missing);
  if (global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return unavailable("it failed to start");
  const curl_version_info_data* version = version_info(CURLVERSION_NOW);
  if (version->version_num < kOldestVersion) {
    return unavailable(std::string("found version ") + version->version);
  }
  return api;
}

}  // namespace toccata::net
