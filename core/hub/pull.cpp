#include "core/hub/pull.h"

#include <array>
#include <cstdio>
#include <set>

#include "core/hub/destination.h"
#include "core/hub/names.h"
#include "core/hub/partial_file.h"

namespace toccata::hub {
namespace {

// Room for file names, links and the file system's own books.
constexpr std::uint64_t kSpareBytes = std::uint64_t{1} << 20;

Result<PullPlan> plan(const PullRequest& request, Hub& hub, const std::stop_token& stop) {
  auto listing = hub.list(request.repo, request.revision, stop);
  if (!listing) return listing.error();
  auto files = select_files(listing->files, request.selection);
  if (!files) return files.error();
  PullPlan plan{listing->commit, std::move(*files), {}};
  for (HubFile& file : plan.files) {
    if (!file.id.empty()) continue;
    if (Result<void> known = hub.look_up(request.repo, plan.commit, file, stop); !known) return known.error();
  }
  return plan;
}

// Sets the sums of the plan; an error when the disk is too full for it.
Result<void> check_space(const PullRequest& request, const Destination& destination, PullPlan& plan) {
  std::uint64_t needed = 0;
  std::set<std::string> keys;
  for (const HubFile& file : plan.files) {
    if (!keys.insert(destination.key(file)).second) continue;
    plan.bytes += file.size;
    if (destination.has(file)) continue;
    plan.bytes_missing += file.size;
    const std::uint64_t taken = PartialFile::allocated_bytes(destination.stem(file));
    needed += file.size > taken ? file.size - taken : 0;
  }
  if (needed == 0 || request.dry_run) return {};
  const auto free = request.free_bytes ? request.free_bytes(destination.root()) : free_bytes(destination.root());
  if (!free) return free.error();
  if (needed + kSpareBytes <= *free) return {};
  return Error{
      ErrorCode::kResourceExhausted,
      request.repo + " needs " + bytes_text(needed) + " more in " + destination.root().string() + ", where " +
          bytes_text(*free) + " are free: make room for " + bytes_text(needed + kSpareBytes - *free) +
          ", or choose another disk with HF_HUB_CACHE or --to"};
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits = {"kB", "MB", "GB", "TB"};
  if (bytes < 1000) return std::to_string(bytes) + " bytes";
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", value, kUnits[unit]);
  return text;
}

Result<PullOutcome> pull(
    const PullRequest& request, const HubAccess& access, const PullEvents& events, const std::stop_token& stop
) {
  if (const auto defect = defect_of_path(request.revision)) {
    return Error{ErrorCode::kInvalidArgument, "revision '" + request.revision + "': " + *defect};
  }
  Hub hub(access, [&](const Error& error, std::chrono::milliseconds) {
    if (events.download.on_note) events.download.on_note(error.message + "; trying again");
  });
  auto planned = plan(request, hub, stop);
  if (!planned) return planned.error();
  PullOutcome outcome{std::move(*planned)};
  const Destination destination = request.to.empty()
                                      ? Destination::cache(request.hub_cache, request.repo, outcome.plan.commit)
                                      : Destination::folder(request.to);
  outcome.plan.folder = destination.root();
  const Result<void> space = check_space(request, destination, outcome.plan);
  if (!space) return space.error();
  if (events.on_plan) events.on_plan(outcome.plan);
  if (request.dry_run) return outcome;
  auto fetched = download(
      access, request.repo, outcome.plan.commit, outcome.plan.files, destination, request.download, events.download, stop
  );
  if (!fetched) return fetched.error();
  outcome.bytes_fetched = *fetched;
  if (Result<void> named = destination.publish(outcome.plan.files, request.revision); !named) return named.error();
  return outcome;
}

}  // namespace toccata::hub
