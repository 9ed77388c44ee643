// Stateful Python sessions in the sandbox.
#include <pybind11/stl.h>

#include "agent/cli/sandbox_setup.h"
#include "agent/python/bindings.h"
#include "core/tokenizer/tokenizer.h"
#include "sandbox/sandbox.h"

namespace py = pybind11;

namespace toccata::python {
namespace {

// One session, with the sandbox it came from.
class SandboxSession {
 public:
  SandboxSession(const std::string& level, const std::string& python, const std::vector<std::string>& mounts, const std::vector<std::string>& net)
      : sandbox_(std::make_shared<sandbox::Sandbox>(make(level, python, mounts, net))) {
    session_ = sandbox_->open().value_or_throw();
  }
  std::unique_ptr<SandboxSession> fork() {
    return std::unique_ptr<SandboxSession>(new SandboxSession(sandbox_, session().fork().value_or_throw()));
  }
  sandbox::Outcome execute(const std::string& code, double timeout_s) {
    return session().execute(code, std::chrono::milliseconds(static_cast<std::int64_t>(timeout_s * 1000)));
  }
  void interrupt() { session().interrupt(); }
  std::vector<std::pair<std::string, std::uint64_t>> list_files() {
    std::vector<std::pair<std::string, std::uint64_t>> files;
    for (const sandbox::WorkspaceFile& file : session().list_files().value_or_throw()) files.emplace_back(file.path, file.size);
    return files;
  }
  std::string download(const std::string& path) { return session().download(path).value_or_throw(); }
  void upload(const std::string& path, const std::string& bytes) { session().upload(path, bytes).value_or_throw(); }
  std::string level() { return sandbox::to_string(session().level()); }
  void close() { session_.reset(); }

 private:
  SandboxSession(std::shared_ptr<sandbox::Sandbox> sandbox, std::unique_ptr<sandbox::Session> session)
      : sandbox_(std::move(sandbox)), session_(std::move(session)) {}
  static sandbox::Sandbox make(const std::string& level, const std::string& python, const std::vector<std::string>& mounts, const std::vector<std::string>& net) {
    cli::AgentOptions options;
    options.sandbox = level;
    options.python = python;
    options.mounts = mounts;
    options.sandbox_net = net;
    return cli::make_sandbox(options, cli::read_environment());
  }
  sandbox::Session& session() {
    if (!session_) throw Exception(ErrorCode::kInvalidArgument, "the sandbox is closed");
    return *session_;
  }
  std::shared_ptr<sandbox::Sandbox> sandbox_;  // of all forks
  std::unique_ptr<sandbox::Session> session_;
};

}  // namespace

void bind_sandbox(py::module_& module) {
  using Release = py::call_guard<py::gil_scoped_release>;
  py::class_<sandbox::Outcome>(module, "Outcome", "What one execution came to, as the host saw it.")
      .def_property_readonly("status", [](const sandbox::Outcome& o) { return sandbox::to_string(o.status); }, "ok, error, timeout or died.")
      .def_readonly("output", &sandbox::Outcome::output, "What was printed, and the value of the last expression.")
      .def_readonly("truncated", &sandbox::Outcome::truncated, "Characters cut from the middle of the output.")
      .def_readonly("restarted", &sandbox::Outcome::restarted, "The interpreter died and there is a new one.")
      .def_readonly("state_lost", &sandbox::Outcome::state_lost, "Variables of earlier cells are gone.")
      .def_property_readonly("artifacts", [](const sandbox::Outcome& o) {
        std::vector<std::string> paths;
        for (const sandbox::WorkspaceFile& file : o.artifacts) paths.push_back(file.path);
        return paths;
      }, "Paths of the workspace's files that are new or changed.")
      .def_property_readonly("hosts", [](const sandbox::Outcome& o) {
        py::list hosts;
        for (const sandbox::HostUse& use : o.hosts) {
          py::dict row;
          row["host"] = use.host;
          row["port"] = use.port;
          row["allowed"] = use.allowed;
          row["reason"] = use.reason;
          row["connections"] = use.connections;
          row["sent"] = use.sent;
          row["received"] = use.received;
          hosts.append(row);
        }
        return hosts;
      }, "What was asked of the network: a dict for each host, port and verdict, with connections and bytes.")
      .def_property_readonly("duration_ms", [](const sandbox::Outcome& o) { return o.duration.count(); }, "Milliseconds it took.")
      .def_property_readonly("cpu_us", [](const sandbox::Outcome& o) { return o.cpu.count(); }, "CPU time, in microseconds, that the session's processes have used since the execution before.")
      .def("__repr__", [](const sandbox::Outcome& o) {
        return "<Outcome " + std::string(sandbox::to_string(o.status)) + ": " + tokenizer::to_valid_utf8(o.output.substr(0, 60)) + ">";
      });
  py::class_<SandboxSession>(module, "Sandbox")
      .def(py::init<const std::string&, const std::string&, const std::vector<std::string>&, const std::vector<std::string>&>(),
           py::arg("level") = "full-nocg", py::arg("python") = "", py::arg("mounts") = std::vector<std::string>(),
           py::arg("net") = std::vector<std::string>(), Release())
      .def("execute", &SandboxSession::execute, py::arg("code"), py::arg("timeout") = 120.0, Release())
      .def("interrupt", &SandboxSession::interrupt, Release())
      .def("fork", &SandboxSession::fork, Release())
      .def("list_files", &SandboxSession::list_files, Release())
      .def("download", [](SandboxSession& self, const std::string& path) {
             std::string bytes;
             {
               const py::gil_scoped_release release;
               bytes = self.download(path);
             }
             return py::bytes(bytes);
           }, py::arg("path"))
      .def("upload", [](SandboxSession& self, const std::string& path, const py::bytes& bytes) {
             const std::string copy = bytes;
             const py::gil_scoped_release release;
             self.upload(path, copy);
           }, py::arg("path"), py::arg("bytes"))
      .def_property_readonly("level", &SandboxSession::level)
      .def("close", &SandboxSession::close, Release());
}

}  // namespace toccata::python
