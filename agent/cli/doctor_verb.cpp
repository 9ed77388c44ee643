#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/cli/exit_code.h"
#include "agent/cli/hub_cache.h"
#include "agent/cli/python_environment.h"
#include "agent/cli/sandbox_setup.h"
#include "agent/cli/search_setup.h"
#include "agent/cli/verbs.h"
#include "agent/cli/version.h"
#include "agent/model/nano.h"
#include "agent/store/ledger.h"
#include "core/base/cpu_features.h"
#include "core/base/json.h"
#include "core/cuda/device.h"
#include "sandbox/sandbox.h"

namespace toccata::cli {
namespace {

using nlohmann::ordered_json;

ordered_json machine_report() {
  const auto pages = static_cast<double>(::sysconf(_SC_PHYS_PAGES));
  const double gib = pages * static_cast<double>(::sysconf(_SC_PAGE_SIZE)) / (1 << 30);
  ordered_json gpus = ordered_json::array();
  std::string gpu_note;
  if (const auto devices = cuda::list_devices()) {
    for (const cuda::DeviceInfo& d : *devices) {
      gpus.push_back({{"name", d.name}, {"memory_bytes", d.memory_bytes}, {"sm", d.sm}});
    }
  } else {
    gpu_note = devices.error().message;
  }
  return {
      {"processors", std::thread::hardware_concurrency()},
      {"memory_gib", static_cast<int>(gib * 10) / 10.0},
      {"avx2_fma", cpu_features().avx2_fma},
      {"gpus", gpus},
      {"gpu_note", gpu_note}};
}

const char* chosen_by(PythonChoice::By by) {
  switch (by) {
    case PythonChoice::By::kUser:
      return "--python";
    case PythonChoice::By::kEnvironment:
      return "toccata tools python";
    case PythonChoice::By::kSystem:
      break;
  }
  return "the system's";
}

ordered_json sandbox_report(const DoctorOptions& options, sandbox::Level minimum, const Environment& env) {
  sandbox::ProbeReport probe;
  PythonChoice choice;
  std::vector<std::string> network;
  try {
    choice = choose_python(options.agent.python, env);
    const sandbox::Policy policy = sandbox_policy(options.agent, env);
    network = policy.network;
    probe = sandbox::probe(policy, sandbox_egress(options.agent, env));
  } catch (const Exception& error) {  // what is wrong is what a doctor is asked for
    probe.python_version = error.what();
  }
  ordered_json report = {
      {"level", sandbox::to_string(probe.level)},
      {"advice", probe.advice},
      {"enough", probe.level <= minimum && !probe.python.empty() && (network.empty() || probe.level <= sandbox::kWeakestWithNetwork)},
      {"network", network},
      {"python", probe.python},
      {"python_version", probe.python_version},
      {"python_from", chosen_by(choice.by)},
      {"modules", probe.modules},
      {"primitives", ordered_json::array()}};
  for (const sandbox::Primitive& p : probe.primitives) {
    report["primitives"].push_back({{"name", p.name}, {"ok", p.ok}, {"detail", p.detail}});
  }
  return report;
}

ordered_json ledger_report(const std::filesystem::path& path) {
  ordered_json report = {{"path", path.string()}, {"ok", true}, {"detail", "not made yet"}};
  std::error_code none;
  if (!std::filesystem::exists(path, none)) return report;
  const auto ledger = store::Ledger::open(path);
  if (!ledger) return {{"path", path.string()}, {"ok", false}, {"detail", ledger.error().message}};
  const auto defects = (*ledger)->check();
  report["ok"] = defects.empty();
  report["detail"] = defects.empty() ? "sound" : defects.front();
  return report;
}

ordered_json model_report(const Environment& env) {
  ordered_json report = {
      {"nano", agent::load_nano() ? "loads" : agent::load_nano().error().message},
      {"cache", env.hub_cache.string()},
      {"found", ordered_json::array()}};
  for (const CachedModel& model : list_cached_models(env.hub_cache)) report["found"].push_back(model.id);
  return report;
}

ordered_json search_report(const DoctorOptions& options, const Environment& env) {
  ordered_json report = ordered_json::array();
  for (const SearchState& state : search_states(options.search, options.search_services, env)) {
    report.push_back({{"name", state.name}, {"chosen", state.chosen}, {"usable", state.usable}, {"detail", state.detail}});
  }
  return report;
}

void print_line(bool ok, const std::string& what, const std::string& detail) {
  std::cout << (ok ? "  ok   " : "  --   ") << what << (detail.empty() ? "" : ": ") << detail << '\n';
}

std::string network_words(const ordered_json& hosts) {
  std::string list;
  for (const auto& host : hosts) list += (list.empty() ? "open to " : ", ") + host.get<std::string>();
  return list.empty() ? "none (--sandbox-net opens hosts)" : list;
}

// What sessions would have imported beforehand, had it been there.
void print_missing_modules(const ordered_json& modules, const ordered_json& primitives) {
  const bool forked = std::any_of(primitives.begin(), primitives.end(), [](const ordered_json& p) { return p["name"] == "zygote" && p["ok"] == true; });
  if (!forked) return;  // then nothing is known of them
  std::string missing;
  for (const std::string& name : sandbox::Warmth{}.imports) {
    if (std::find(modules.begin(), modules.end(), name) == modules.end()) missing += " " + name.substr(0, name.find('.'));
  }
  if (!missing.empty()) print_line(false, "modules", "to have them: toccata tools python install" + missing);
}

void print_report(const ordered_json& report) {
  const auto& machine = report["machine"];
  std::cout << "toccata " << kVersion << "\n\nmachine\n";
  print_line(true, "processors", json_text(machine["processors"]) + ", " + json_text(machine["memory_gib"]) + " GiB");
  print_line(machine["avx2_fma"], "AVX2 and FMA", machine["avx2_fma"] ? "" : "missing: inference will be slow");
  for (const auto& gpu : machine["gpus"]) print_line(true, "GPU", gpu["name"]);
  if (machine["gpus"].empty()) print_line(false, "GPU", machine["gpu_note"]);

  const auto& sandbox = report["sandbox"];
  std::cout << "\nsandbox: " << sandbox["level"].get<std::string>()
            << (sandbox["enough"] ? "" : " (below what was asked for: runs with python are refused)") << '\n';
  for (const auto& p : sandbox["primitives"]) print_line(p["ok"], p["name"], p["detail"]);
  print_line(true, "network of sessions", network_words(sandbox["network"]));
  const std::string python = sandbox["python"];
  if (const std::string advice = sandbox["advice"]; !advice.empty()) std::cout << "  " << advice << '\n';
  const std::string version = sandbox["python_version"];
  print_line(!python.empty(), "python", python.empty() ? version : python + " " + version + " (" + sandbox["python_from"].get<std::string>() + ")");
  print_missing_modules(sandbox["modules"], sandbox["primitives"]);

  std::cout << "\nmodels\n";
  print_line(report["models"]["nano"] == "loads", "nano (built in)", report["models"]["nano"]);
  for (const auto& id : report["models"]["found"]) print_line(true, id, "");
  std::cout << "\nsearch services of the browser (--search)\n";
  for (const auto& service : report["search"]) {
    print_line(service["usable"], service["name"], service["detail"].get<std::string>() + (service["chosen"] ? "; chosen" : ""));
  }
  std::cout << "\nledger\n";
  print_line(report["ledger"]["ok"], report["ledger"]["path"], report["ledger"]["detail"]);
}

}  // namespace

int doctor_verb(const DoctorOptions& options, const Environment& env) {
  const auto minimum = sandbox::parse_level(options.agent.sandbox);
  if (!minimum) {
    throw Exception(ErrorCode::kInvalidArgument, "unknown sandbox level '" + options.agent.sandbox + "'");
  }
  const ordered_json report = {
      {"version", kVersion},
      {"machine", machine_report()},
      {"sandbox", sandbox_report(options, *minimum, env)},
      {"models", model_report(env)},
      {"search", search_report(options, env)},
      {"ledger", ledger_report(env.ledger_path())}};
  if (options.json) {
    std::cout << json_text(report) << '\n';
  } else {
    print_report(report);
  }
  const bool usable = report["sandbox"]["enough"] && report["ledger"]["ok"];
  return usable ? kExitDone : kExitUnavailable;
}

}  // namespace toccata::cli
