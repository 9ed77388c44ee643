#include "agent/cli/launch_verb.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/cli/client_setup.h"
#include "core/base/json.h"
#include "core/net/client.h"
#include "tools/mcp/process.h"

namespace toccata::cli {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;

constexpr const char* kUsualAddress = "http://127.0.0.1:8080/v1";
// What these clients say before their user says a word: 6,000 (opencode) to 16,000 tokens (Claude Code), in November 2026;
// and then they read files.
constexpr std::int64_t kSmallContext = 32768;

// "openai/gpt-oss-20b" and "gpt-oss-20b" are the same model to a user.
std::string last_part(const std::string& name) { return name.substr(name.rfind('/') + 1); }

std::int64_t whole_number(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() && *found > 0 && *found < 1'000'000'000 ? found->get<std::int64_t>() : 0;
}

// Who answers at the address, and with which model. kUnavailable, kTimeout: nobody. kUnsupported: something else.
// kPermissionDenied: it wants another key. kNotFound: it serves other models.
Result<ServedModel> ask(const std::string& address, const std::string& model, const std::string& key) {
  net::Client client;
  net::Request request{.url = address + "/models", .connect_timeout = milliseconds(3000), .idle_timeout = milliseconds(10'000),
                       .total_timeout = milliseconds(10'000), .body_bytes_max = std::size_t{4} << 20};
  if (!key.empty()) request.headers.emplace_back("Authorization", "Bearer " + key);
  const Result<net::Response> answer = client.send(request);
  if (!answer) return answer.error();
  if (answer->status == 401 || answer->status == 403) {
    return Error{ErrorCode::kPermissionDenied, "the server at " + address + " wants another key: put it into " + kLaunchKeyVariable};
  }
  const Json body = json_from<Json>(answer->body);
  if (answer->status != 200 || !body.is_object() || !body.contains("data") || !body["data"].is_array() || body["data"].empty()) {
    return Error{ErrorCode::kUnsupported, "what answers at " + address + " is no OpenAI-compatible server with a model (GET /models: HTTP " +
                                              std::to_string(answer->status) + ")"};
  }
  std::string names;
  for (const Json& entry : body["data"]) {
    if (!entry.is_object() || !entry.contains("id") || !entry["id"].is_string()) continue;
    const std::string id = entry["id"].get<std::string>();
    names += (names.empty() ? "" : ", ") + id;
    if (!model.empty() && id != model && last_part(id) != last_part(model)) continue;
    return ServedModel{address, id, whole_number(entry, "max_model_len"), key};
  }
  return Error{ErrorCode::kNotFound, "the server at " + address + " serves " + (names.empty() ? "nothing" : names) +
                                         (model.empty() ? "" : ", not " + model + ": leave --model out, or end that server")};
}

bool nobody(const Error& error) { return error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kTimeout; }

// `toccata serve` for one client. Ends when this is destroyed, or when this program dies.
class OwnServer {
 public:
  OwnServer(const std::string& model, int port) {
    tools::mcp::ProcessOrder order{std::filesystem::read_symlink("/proc/self/exe").string()};
    order.arguments = {"serve", "--host", "127.0.0.1", "--port", std::to_string(port), "--drain", "1"};
    if (!model.empty()) order.arguments.insert(order.arguments.end(), {"-m", model});
    order.environment = whole_environment();
    process_ = std::make_unique<tools::mcp::Process>(tools::mcp::Process::start(order).value_or_throw());
    std::string said;
    while (address_.empty()) {
      if (!read_more(said)) {
        throw Exception(ErrorCode::kUnavailable, "the server did not start: it " + process_->end(milliseconds(1000)));
      }
      for (std::size_t end; address_.empty() && (end = said.find('\n')) != std::string::npos; said.erase(0, end + 1)) {
        note(said.substr(0, end));
      }
    }
    // What it says later would stand in the middle of the client's screen; unread, it would stop the server.
    reader_ = std::jthread([this] {
      for (std::string later; read_more(later); later.clear()) {
      }
    });
  }

  ~OwnServer() {
    ::kill(process_->pid(), SIGTERM);
    if (!process_->ended_within(milliseconds(5000))) ::kill(-process_->pid(), SIGKILL);
    reader_.join();
    process_->end(milliseconds(0));
  }
  OwnServer(const OwnServer&) = delete;
  OwnServer& operator=(const OwnServer&) = delete;

  const std::string& address() const { return address_; }
  bool running() const { return process_->running(); }

 private:
  void note(const std::string& line) {
    std::cerr << line << std::endl;
    const auto at = line.find(" at http://127.0.0.1:");
    const auto end = line.find("/v1", at);
    if (at != std::string::npos && end != std::string::npos) address_ = line.substr(at + 4, end + 3 - (at + 4));
  }

  // False when the server has ended and all is read.
  bool read_more(std::string& text) {
    char buffer[4096];
    for (;;) {
      pollfd watched[] = {{process_->err.get(), POLLIN, 0}, {process_->process.get(), POLLIN, 0}};
      if (::poll(watched, 2, -1) < 0 && errno != EINTR) return false;
      const ssize_t n = ::read(process_->err.get(), buffer, sizeof buffer);
      if (n > 0) {
        text.append(buffer, static_cast<std::size_t>(n));
        return true;
      }
      if (n == 0 || watched[1].revents != 0) return false;
    }
  }

  std::unique_ptr<tools::mcp::Process> process_;
  std::string address_;
  std::jthread reader_;
};

bool installed(const std::string& program, const Environment& env) {
  const std::string path = env.variable("PATH").value_or("/usr/local/bin:/usr/bin:/bin");
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const auto candidate = std::filesystem::path(path.substr(at, end - at)) / program;
    std::error_code failure;
    if (std::filesystem::is_regular_file(candidate, failure) && ::access(candidate.c_str(), X_OK) == 0) return true;
    at = end + 1;
  }
  return false;
}

std::vector<std::string> environment_for(const ClientSetup& setup) {
  std::vector<std::string> all = whole_environment();
  const auto drop = [&all](const std::string& name) {
    std::erase_if(all, [&](const std::string& entry) { return entry.starts_with(name + "="); });
  };
  for (const std::string& name : setup.removed) drop(name);
  for (const auto& [name, value] : setup.variables) {
    drop(name);
    all.push_back(name + "=" + value);
  }
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

std::atomic<pid_t> client_of_signals = 0;
static_assert(std::atomic<pid_t>::is_always_lock_free);

extern "C" void pass_on(int signal) {
  if (const pid_t client = client_of_signals; client > 0) ::kill(client, signal);
}

// The client has the terminal: Ctrl-C is for it alone, what is sent to us is passed on.
int run_client(const ClientSetup& setup, const std::vector<std::string>& more) {
  std::vector<std::string> words{setup.program};
  words.insert(words.end(), setup.arguments.begin(), setup.arguments.end());
  words.insert(words.end(), more.begin(), more.end());
  std::vector<std::string> variables = environment_for(setup);
  sigset_t ordinary;
  sigemptyset(&ordinary);
  for (const int signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE}) sigaddset(&ordinary, signal);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigdefault(&attributes, &ordinary);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t client = 0;
  const int failure = posix_spawnp(&client, setup.program.c_str(), nullptr, &attributes, pointers(words).data(), pointers(variables).data());
  posix_spawnattr_destroy(&attributes);
  if (failure != 0) throw Exception(ErrorCode::kUnavailable, "cannot start " + setup.program + ": " + std::strerror(failure));
  client_of_signals = client;
  struct sigaction action = {};
  action.sa_handler = SIG_IGN;
  for (const int signal : {SIGINT, SIGQUIT}) ::sigaction(signal, &action, nullptr);
  action.sa_handler = pass_on;
  for (const int signal : {SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
  int status = 0;
  while (::waitpid(client, &status, 0) < 0 && errno == EINTR) {
  }
  client_of_signals = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string print(const LaunchOptions& options, const std::string& address, const Result<ServedModel>& served, bool starts) {
  std::string text;
  ServedModel model{address, options.model.empty() ? "default" : options.model, 0, {}};
  if (starts) {
    text = "# no server answers at " + address + ": one would be started, like this one\ntoccata serve";
    if (!options.model.empty()) text += " -m " + shell_quoted(options.model);
    if (const int port = local_port(address); port != 8080) text += " --port " + std::to_string(port);
    text += " &\n";
  } else {
    model = *served;
  }
  return text + shell_command(client_setup(options.client, model).value_or_throw(), options.arguments);
}

}  // namespace

int launch_verb(const LaunchOptions& options, const Environment& env) {
  const bool usual = options.base_url.empty();
  const std::string address = api_address(usual ? kUsualAddress : options.base_url).value_or_throw();
  const ClientSetup known = client_setup(options.client, {}).value_or_throw();
  if (!options.print && !installed(known.program, env)) {
    throw Exception(ErrorCode::kUnavailable, known.program + " is not installed (not in PATH): " + known.install);
  }
  const std::string key = env.variable(kLaunchKeyVariable).value_or("");
  Result<ServedModel> served = ask(address, options.model, key);
  // At an address that somebody named, only what can be there is started there.
  const bool taken = !served && served.error().code == ErrorCode::kUnsupported;
  const bool starts = !served && ((nobody(served.error()) && local_port(address) != 0) || (taken && usual));
  if (!served && !starts) {
    if (!nobody(served.error())) throw Exception(served.error());
    throw Exception(ErrorCode::kUnavailable, "no server answers at " + address + " (" + served.error().message + "): start it, or leave --base-url out");
  }
  if (options.print) {
    std::cout << print(options, address, served, starts) << std::flush;
    return 0;
  }
  std::unique_ptr<OwnServer> own;
  if (starts) {
    std::cerr << "toccata: no server at " << address << ", starting one" << std::endl;
    own = std::make_unique<OwnServer>(options.model, usual ? 0 : local_port(address));
    served = ask(own->address(), "", env.variable("TOCCATA_SERVER_KEY").value_or(""));
    if (!served) throw Exception(served.error());
  }
  if (served->context > 0 && served->context < kSmallContext) {
    std::cerr << "toccata: WARNING: " << served->model << " holds " << served->context << " tokens, and " << known.program
              << "'s own prompt alone has thousands: choose another model, as with -m gpt-oss-20b" << std::endl;
  }
  const int code = run_client(client_setup(options.client, *served).value_or_throw(), options.arguments);
  if (own != nullptr && !own->running()) std::cerr << "toccata: the server ended before " << known.program << " did" << std::endl;
  return code;
}

}  // namespace toccata::cli
