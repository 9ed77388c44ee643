// What a sandboxed session may do, as a value. Each comment says what the grant weakens when it is widened.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace toccata::sandbox {

// Levels of protection, strongest first. What a level gives up, all above it keep.
enum class Level {
  kFull,  // own namespaces and root, seccomp, Landlock, no capabilities, rlimits, cgroup; shares the kernel
  kFullNoCgroup,  // as full without cgroup: memory is bounded per process (RLIMIT_AS), not for the session
  kNoProc,    // as full-nocg without /proc
  kLandlock,  // no namespaces: Landlock (ABI 6), seccomp and rlimits. Metadata of all files is visible, and of the
              // user's own changeable; no quota on files but the size of each; no /proc, no named sockets
  kSeccomp,   // seccomp and rlimits: every file the user can read or write is open to the code, every process to signals
  kNone,      // a child process: everything the user may do, the code may do
};

// "full", "full-nocg", "noproc", "landlock", "seccomp", "none".
const char* to_string(Level level);
std::optional<Level> parse_level(std::string_view name);

// The weakest with a network of its own, which can be held to a list of hosts.
inline constexpr Level kWeakestWithNetwork = Level::kNoProc;

struct Limits {
  // Of the whole session at `full`; of each process (address space) at `full-nocg`. Wider: the host may swap.
  std::uint64_t memory_bytes = std::uint64_t{1} << 30;
  // Processes and threads, the session's own two included. Wider: a fork bomb costs the host more.
  unsigned processes = 128;
  // CPUs' worth of time for the session; only `full` enforces it.
  double cpus = 1.0;
  // CPU seconds of one process over its whole life; ends loops that outlive their cell.
  std::uint64_t cpu_seconds = 3600;
  unsigned open_files = 512;
  std::uint64_t file_bytes = std::uint64_t{512} << 20;
  // tmpfs is memory: at `full` it counts against memory_bytes, below it comes on top.
  std::uint64_t workspace_bytes = std::uint64_t{512} << 20;
  std::uint64_t workspace_inodes = 16'384;
  std::uint64_t tmp_bytes = std::uint64_t{256} << 20;
  std::uint64_t tmp_inodes = 8'192;
  std::uint64_t shm_bytes = std::uint64_t{64} << 20;
  // What one execution may show to the reader; the middle is cut and counted.
  std::size_t output_chars = 20'000;
  // What one execution may write before it is killed: it is drained and counted, not kept.
  std::uint64_t flood_bytes = std::uint64_t{64} << 20;
  std::size_t code_bytes = std::size_t{1} << 20;
  // Largest file that crosses the wall in either direction.
  std::uint64_t transfer_bytes = std::uint64_t{64} << 20;
  friend bool operator==(const Limits&, const Limits&) = default;
};

// How sessions are made ready before they are asked for. None of it changes what a session may do: a session forked from
// the zygote stands behind the same walls as one that was started afresh.
struct Warmth {
  // Fork sessions from one prepared interpreter (sandbox/linux/zygote.h) once it is up; until then, and where it cannot be,
  // they are started afresh. Wider: all sessions of a sandbox share the layout of their memory, the seed of Python's str
  // hashes and the C library's stack canary, and random generators that only C code of an import knows. Off for
  // sessions of people who do not trust each other.
  bool zygote = true;
  // Imported once by the zygote, best effort: what is not installed is left out.
  std::vector<std::string> imports = {"numpy", "pandas", "sympy", "matplotlib.pyplot"};
  // Sessions kept ready in the background; each costs what an idle session costs.
  unsigned ready = 1;
  friend bool operator==(const Warmth&, const Warmth&) = default;

  // Every session a fresh interpreter, started when it is asked for.
  static Warmth none() { return {false, {}, 0}; }
};

// A folder of the host that sessions may read, with all that is in it; or a single file.
struct Mount {
  std::filesystem::path folder;
  std::string name;  // it stands at /mnt/NAME; empty: its own name
  friend bool operator==(const Mount&, const Mount&) = default;
};

inline constexpr std::size_t kMountsMax = 16;

struct Policy {
  // The strongest reachable level between the two is used. Opening fails when even `minimum` cannot be reached.
  Level minimum = Level::kFullNoCgroup;
  Level maximum = Level::kFull;
  Limits limits;
  // The interpreter; its whole installation tree becomes readable inside. Empty: /usr/bin/python3, else
  // /usr/local/bin/python3. Never looked for on PATH, which may name a private tree.
  std::filesystem::path python;
  // Folders shown read-only, with all that is mounted below them: no set-uid, no device nodes; links in them lead nowhere
  // but where a session may look anyway. At levels without a root of their own they stay where they are on the host
  // (Sandbox::folders). Wider: the code reads what the user can read there, and may hold advisory locks on it. A
  // session with such folders has no named sockets: read-only does not keep anybody from connecting to a socket in them.
  std::vector<Mount> mounts;
  // Files and folders of the program that no mount may show, nor anything that holds them.
  std::vector<std::filesystem::path> private_paths;
  // Hosts that sessions may reach over HTTP and HTTPS, through a proxy of the program's: "example.org", "*.example.org",
  // "example.org:8443" (tools/egress/allow_list.h). Empty: no network. Only at levels with a network of their own, down to
  // noproc. Wider: what the code knows it can send to these hosts, what they answer steers it, and sessions may call
  // the kernel's TCP.
  std::vector<std::string> network;
  Warmth warmth;
  friend bool operator==(const Policy&, const Policy&) = default;
};

// Where the workspace stands inside, and the current folder of a session.
inline constexpr const char* kWorkspacePath = "/mnt/data";

}  // namespace toccata::sandbox
