#include "agent/cli/pull_verb.h"

#include <algorithm>

#include "agent/cli/exit_code.h"
#include "agent/cli/hub_cache.h"
#include "agent/cli/pull_view.h"
#include "agent/cli/signals.h"
#include "agent/cli/version.h"
#include "core/base/mapped_file.h"
#include "core/hub/destination.h"
#include "core/hub/names.h"
#include "core/hub/pull.h"

namespace toccata::cli {
namespace {

namespace fs = std::filesystem;

// HF_TOKEN, else what `hf auth login` left.
std::string hub_token(const Environment& env) {
  std::string token = env.hub_token.value_or("");
  if (token.empty()) {
    if (const auto text = read_text_file(env.hub_token_file, 4096)) token = *text;
  }
  constexpr const char* kBlanks = " \t\r\n";
  const auto first = token.find_first_not_of(kBlanks);
  if (first == std::string::npos) return {};
  token = token.substr(first, token.find_last_not_of(kBlanks) - first + 1);
  if (std::any_of(token.begin(), token.end(), [](unsigned char c) { return c <= ' ' || c == 0x7f; })) {
    throw Exception(
        ErrorCode::kInvalidArgument,
        "HF_TOKEN or " + env.hub_token_file.string() + ": expected one word, found a space or a control character in it"
    );
  }
  return token;
}

hub::HubAccess access_of(const PullOptions& options, const Environment& env) {
  hub::HubAccess access;
  if (env.hub_endpoint) access.endpoint = *env.hub_endpoint;
  while (access.endpoint.ends_with('/')) access.endpoint.pop_back();
  if (!access.endpoint.starts_with("http://") && !access.endpoint.starts_with("https://")) {
    throw Exception(
        ErrorCode::kInvalidArgument,
        "HF_ENDPOINT is '" + access.endpoint + "': expected the URL of a hub, such as https://huggingface.co"
    );
  }
  access.token = hub_token(env);
  access.user_agent = std::string("toccata/") + kVersion;
  access.stall_timeout = std::chrono::milliseconds(static_cast<long>(options.stall_timeout_s * 1000));
  return access;
}

// What -m takes: the folder, its original/, or the first GGUF file.
fs::path runnable(const hub::PullPlan& plan) {
  std::vector<std::string> ggufs;
  bool has_config = false, has_original = false;
  for (const hub::HubFile& file : plan.files) {
    has_config = has_config || file.path == "config.json";
    has_original = has_original || file.path == "original/config.json";
    if (file.path.ends_with(".gguf")) ggufs.push_back(file.path);
  }
  if (has_config) return plan.folder;
  if (has_original) return plan.folder / "original";
  if (!ggufs.empty()) return plan.folder / *std::min_element(ggufs.begin(), ggufs.end());
  return plan.folder;
}

// The shortest -m that means it.
std::string model_argument(const PullOptions& options, const std::string& repo, const fs::path& path, const Environment& env) {
  if (options.to.empty() && options.revision == "main") {
    if (const auto found = find_cached_model(env.hub_cache, repo); found && *found == path) {
      return hub::repo_of_short_name(options.model) == repo ? options.model : repo;
    }
  }
  return path.string();
}

int answer_offline(const PullOptions& options, const std::string& repo, const Environment& env) {
  if (options.to.empty()) {
    if (const auto snapshot = hub::cached_snapshot(env.hub_cache, repo, options.revision)) {
      std::printf("%s\n", snapshot->c_str());
      return kExitDone;
    }
  }
  throw Exception(
      ErrorCode::kUnavailable,
      repo + " at " + options.revision + " is not in " + env.hub_cache.string() +
          ", and --offline (or HF_HUB_OFFLINE) forbids to download it"
  );
}

PullView::Style style_of(const PullOptions& options, const Environment& env) {
  if (options.json) return PullView::Style::kJson;
  if (options.quiet) return PullView::Style::kQuiet;
  return env.stderr_is_terminal ? PullView::Style::kBar : PullView::Style::kLines;
}

}  // namespace

int pull_verb(const PullOptions& options, const Environment& env) {
  hub::PullRequest request;
  request.repo = hub::repo_of(options.model).value_or_throw();
  if (options.gguf) request.repo = hub::gguf_repo_of(request.repo).value_or(request.repo);
  if (options.offline || env.hub_offline) return answer_offline(options, request.repo, env);
  request.revision = options.revision;
  request.selection = {options.original, options.gguf, options.include, options.exclude};
  request.hub_cache = fs::absolute(env.hub_cache);
  if (!options.to.empty()) request.to = fs::absolute(options.to).lexically_normal();
  request.download.jobs = options.jobs;
  request.download.check_present = options.verify;
  request.dry_run = options.dry_run;
  const hub::HubAccess access = access_of(options, env);
  SignalStop stop;
  PullView view(style_of(options, env), request.repo);
  const auto outcome = hub::pull(request, access, view.events(), stop.token());
  if (!outcome) {
    if (stop.exit_code() == 0) throw Exception(outcome.error());
    if (!options.quiet) std::fprintf(stderr, "\ntoccata: stopped; what came is kept, the same command goes on\n");
    return stop.exit_code();
  }
  const fs::path path = runnable(outcome->plan);
  std::string run;
  if (!options.dry_run) run = "toccata run -m " + model_argument(options, request.repo, path, env) + " \"...\"";
  view.done(*outcome, path.string(), run);
  return kExitDone;
}

}  // namespace toccata::cli
