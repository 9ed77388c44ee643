// What a session sees and may use, as data: the folders shown, the files of its own /etc, the limits, the environment.
#include "sandbox/plan_for.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "sandbox/egress.h"
#include "sandbox/linux/plan_text.h"

extern "C" const unsigned char sandbox_keeper_begin[], sandbox_keeper_end[];
extern "C" const unsigned char sandbox_interpreter_begin[], sandbox_interpreter_end[];
extern "C" const unsigned char sandbox_zygote_begin[], sandbox_zygote_end[];
extern "C" const unsigned char sandbox_zygote_so_begin[], sandbox_zygote_so_end[];

namespace toccata::sandbox {
namespace {

namespace fs = std::filesystem;

// Links on most systems (/bin -> usr/bin), folders on some.
constexpr const char* kTopFolders[] = {
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};
// Debian reaches BLAS through alternatives and matplotlib's defaults through /etc; none of these holds a secret.
constexpr const char* kEtc[] = {
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/matplotlibrc",
    "/etc/mime.types",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs",
};
constexpr const char* kDevices[] = {
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};

class RootBuilder {
 public:
  explicit RootBuilder(Plan& plan) : plan_(plan) {}

  void folder(const fs::path& path) {
    const std::string name = path.relative_path().string();
    if (name.empty() || !made_.insert(name).second) return;
    folder(path.parent_path());
    plan_.root.push_back({RootEntry::Kind::kFolder, name, ""});
  }
  void file(const fs::path& path, const std::string& text) {
    add(RootEntry::Kind::kFile, path, text);
  }
  void link(const fs::path& path, const std::string& target) {
    add(RootEntry::Kind::kLink, path, target);
  }

  // Shows a file or folder of the host, when it is there and readable.
  void show(const fs::path& path, bool device = false) {
    struct stat info = {};
    if (stat(path.c_str(), &info) != 0 || access(path.c_str(), R_OK) != 0) return;
    const bool is_folder = S_ISDIR(info.st_mode);
    if (is_folder) {
      folder(path);
    } else {
      file(path, "");
    }
    plan_.binds.push_back({path.string(), is_folder, device});
  }
  void show(const ShownFolder& shown) {
    if (shown.is_file) {
      file(shown.inside, "");
    } else {
      folder(shown.inside);
    }
    plan_.binds.push_back({shown.inside, !shown.is_file, false, shown.host.string(), {shown.device, shown.inode}});
  }
  // The same, keeping a link a link.
  void show_or_link(const fs::path& path) {
    std::error_code failure;
    const fs::path target = fs::read_symlink(path, failure);
    failure ? show(path) : link(path, target.string());
  }

 private:
  void add(RootEntry::Kind kind, const fs::path& path, const std::string& text) {
    folder(path.parent_path());
    plan_.root.push_back({kind, path.relative_path().string(), text});
  }

  Plan& plan_;
  std::set<std::string> made_;
};

void add_own_etc(RootBuilder& root) {
  const std::string id = std::to_string(kInsideId);
  root.file("/etc/passwd", "user:x:" + id + ":" + id + "::/tmp:/bin/sh\n");
  root.file("/etc/group", "user:x:" + id + ":\n");
  root.file("/etc/hosts", "127.0.0.1 localhost sandbox\n");
  root.file("/etc/hostname", "sandbox\n");
  root.file("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n");
}

void add_devices(RootBuilder& root) {
  for (const char* device : kDevices) root.show(device, /*device=*/true);
  root.folder("/dev/shm");
  root.link("/dev/fd", "/proc/self/fd");
  root.link("/dev/stdin", "/proc/self/fd/0");
  root.link("/dev/stdout", "/proc/self/fd/1");
  root.link("/dev/stderr", "/proc/self/fd/2");
}

// /etc/python3, /etc/python3.11: sitecustomize lives there.
std::set<fs::path> python_settings() {
  std::set<fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/etc", ignored)) {
    if (entry.path().filename().string().starts_with("python3")) found.insert(entry.path());
  }
  return found;
}

void add_etc(RootBuilder& root) {
  for (const char* path : kEtc) root.show(path);
  for (const fs::path& path : python_settings()) root.show(path);
}

void add_root(
    Plan& plan, const Limits& limits, const Interpreter& python, const std::vector<ShownFolder>& folders
) {
  RootBuilder root(plan);
  for (const char* path : kTopFolders) root.show_or_link(path);
  for (const fs::path& tree : python.trees) root.show(tree);
  add_etc(root);
  add_own_etc(root);
  add_devices(root);
  for (const char* path : {"/proc", "/tmp", "/mnt/data"}) root.folder(path);
  for (const ShownFolder& folder : folders) root.show(folder);
  const auto quota = [](std::uint64_t bytes, std::uint64_t inodes, const char* mode) {
    return "size=" + std::to_string(bytes) + ",nr_inodes=" + std::to_string(inodes) +
           ",mode=" + mode;
  };
  plan.tmpfs = {
      {"mnt/data", quota(limits.workspace_bytes, limits.workspace_inodes, "0755")},
      {"tmp", quota(limits.tmp_bytes, limits.tmp_inodes, "1777")},
      {"dev/shm", quota(limits.shm_bytes, 1024, "1777")},
  };
}

// Processes and threads of a host user. RLIMIT_NPROC counts them all where there is no user namespace.
unsigned processes_of(uid_t user) {
  unsigned n = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    struct stat info = {};
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (stat((entry.path() / "task").c_str(), &info) != 0 || info.st_uid != user) continue;
    n += info.st_nlink > 2 ? static_cast<unsigned>(info.st_nlink - 2) : 1;
  }
  return n;
}

void add_limits(Plan& plan, const Limits& limits) {
  const unsigned others =
      plan.level <= Level::kNoProc ? 0 : processes_of(plan.host_is_root ? kOutsideId : geteuid());
  plan.rlimits = {
      {RLIMIT_CORE, 0},
      {RLIMIT_MEMLOCK, 0},
      {RLIMIT_MSGQUEUE, 0},
      {RLIMIT_NICE, 0},
      {RLIMIT_RTPRIO, 0},
      {RLIMIT_SIGPENDING, 1024},
      {RLIMIT_NOFILE, limits.open_files},
      {RLIMIT_NPROC, limits.processes + others},
      {RLIMIT_FSIZE, limits.file_bytes},
      {RLIMIT_CPU, limits.cpu_seconds},
  };
  // A process alone meets this limit, as a MemoryError it can live with, before the session meets its own.
  plan.rlimits.push_back({RLIMIT_DATA, limits.memory_bytes / 16 * 15});
  if (plan.level != Level::kFull) plan.rlimits.push_back({RLIMIT_AS, limits.memory_bytes});
}

std::vector<std::string> clean_environment() {
  return {
      "PATH=/usr/local/bin:/usr/bin:/bin",
      "HOME=/tmp",
      "USER=user",
      "LANG=C.UTF-8",
      "TERM=dumb",
      "PYTHONDONTWRITEBYTECODE=1",
      "MPLBACKEND=Agg",
      // One session has one CPU; more threads would only wait for each other.
      "OMP_NUM_THREADS=1",
      "OPENBLAS_NUM_THREADS=1",
      "MKL_NUM_THREADS=1",
      "NUMEXPR_NUM_THREADS=1",
  };
}

// A Python string literal of valid UTF-8 text.
std::string quoted(const std::string& text) {
  std::string literal = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') literal += '\\';
    if (c != '\n') literal += c;
  }
  return literal + "\"";
}

}  // namespace

Plan plan_for(
    Level level, const Limits& limits, const Interpreter& python, const std::vector<ShownFolder>& folders,
    std::vector<sock_filter> filter
) {
  Plan plan;
  plan.level = level;
  plan.host_is_root = geteuid() == 0;
  plan.filter = std::move(filter);
  plan.folder = kWorkspacePath;
  plan.environment = clean_environment();
  // -S: site packages are put on sys.path by the runner, without the cost of looking for them again.
  const std::string boot = "exec(compile(open(" + std::to_string(kRunnerFd) +
                           ").read(),'<toccata>','exec'),{'__name__':'toccata'})";
  plan.arguments = {python.executable.string(), "-I", "-S", "-B", "-X", "utf8", "-c", boot};
  // Only processes: no /proc/sys, /proc/keys, /proc/kallsyms ...
  plan.proc_options = "subset=pid,hidepid=invisible";
  if (level <= Level::kNoProc) {
    add_root(plan, limits, python, folders);
  }
  if (level <= Level::kSeccomp) add_limits(plan, limits);
  return plan;
}

void open_network(Plan& plan) {
  plan.proxy_port = kProxyPort;
  const std::string proxy = "http://127.0.0.1:" + std::to_string(kProxyPort);
  // curl reads http_proxy in lower case only, others the rest.
  for (const char* name : {"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}) {
    plan.environment.push_back(std::string(name) + "=" + proxy);
  }
}

void stand_on_host(
    Plan& plan, const Interpreter& python, const std::vector<ShownFolder>& folders, const std::string& folder
) {
  const std::string tmp = folder + "/tmp";
  plan.folder = folder + "/data";
  std::erase_if(plan.environment, [](const std::string& entry) { return entry.starts_with("HOME="); });
  plan.environment.push_back("HOME=" + tmp);
  plan.environment.push_back("TMPDIR=" + tmp);
  plan.paths = {{plan.folder, true}, {tmp, true}};
  for (const char* path : kTopFolders) plan.paths.push_back({path});
  for (const char* path : kEtc) plan.paths.push_back({path});
  for (const fs::path& path : python_settings()) plan.paths.push_back({path.string()});
  for (const fs::path& tree : python.trees) plan.paths.push_back({tree.string()});
  for (const char* path : {"/dev/null", "/dev/zero", "/dev/full"}) plan.paths.push_back({path, true});
  for (const char* path : {"/dev/random", "/dev/urandom"}) plan.paths.push_back({path});
  for (const ShownFolder& shown : folders) {
    plan.paths.push_back({shown.host.string(), false, {shown.device, shown.inode}});
  }
}

Plan zygote_plan_for(
    const Plan& forked,
    const Limits& limits,
    const Interpreter& python,
    const std::vector<ShownFolder>& folders,
    std::vector<sock_filter> filter
) {
  Plan plan = plan_for(forked.level, limits, python, folders, std::move(filter));
  plan.role = Role::kZygote;
  plan.environment = forked.environment;  // which its forks find in their memory
  // Whole: else the kernel lets no session in a user namespace below mount its own.
  plan.proc_options = "";
  // Limits never rise again, and NPROC of a user namespace holds for all those below it together.
  plan.rlimits = {{RLIMIT_CORE, 0}};
  plan.root.push_back({RootEntry::Kind::kFolder, "toccata", ""});
  plan.root.push_back(
      {RootEntry::Kind::kFile,
       "toccata/zygote.so",
       {sandbox_zygote_so_begin, sandbox_zygote_so_end}}
  );
  plan.root.push_back({RootEntry::Kind::kFile, "toccata/plan", to_bytes(forked)});
  return plan;
}

std::string runner_for(
    const Plan& plan, const Interpreter& python, const std::vector<std::string>& imports
) {
  const auto list = [](const std::vector<std::string>& items) {
    std::string text = "[";
    for (const std::string& item : items) text += quoted(item) + ",";
    return text + "]";
  };
  std::string text = "PATHS=" + list(python.paths) + ";IMPORTS=" + list(imports);
  // A signal to everybody reaches the session alone: by its pid namespace, or by its Landlock domain.
  text += std::string(";CONTAINED=") + (plan.level <= Level::kLandlock ? "True" : "False");
  text += std::string(";FENCED=") + (plan.level == Level::kLandlock ? "True" : "False") + "\n";
  text.append(sandbox_keeper_begin, sandbox_keeper_end);
  text.append(sandbox_interpreter_begin, sandbox_interpreter_end);
  if (plan.role != Role::kZygote) return text + "\nbegin()\n";
  text.append(sandbox_zygote_begin, sandbox_zygote_end);
  return text;
}

}  // namespace toccata::sandbox
