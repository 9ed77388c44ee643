#include <algorithm>
#include <random>

#include "agent/eval/graders.h"
#include "agent/task/sha256.h"

namespace toccata::eval {
namespace {

constexpr std::size_t kTestsAtOnce = 40;  // their lines together stay below what a sandbox prints

// Runs the program on each input as a process of its own group with limits, and prints one line a test. What it printed is
// kept in a file of bounded size; the program is judged by CPU time, so that a busy machine fails nobody.
constexpr const char* kHarness = R"(
import hashlib, json, math, os, resource, signal, subprocess, sys, tempfile, time
with open('/mnt/data/harness.json', encoding='utf-8') as f: job = json.load(f)
os.remove('/mnt/data/harness.json')
kOutputMax = 16 << 20
folder = tempfile.mkdtemp(dir='/mnt/data')
source = os.path.join(folder, 'solution.py')
with open(source, 'w', encoding='utf-8') as f: f.write(job['program'])
def limit():
    os.setsid()
    seconds = int(math.ceil(job['seconds'])) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (job['memory'], job['memory']))
    resource.setrlimit(resource.RLIMIT_FSIZE, (kOutputMax, kOutputMax))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
for number, given in enumerate(job['inputs']):
    with tempfile.TemporaryFile(dir=folder) as stdin, tempfile.TemporaryFile(dir=folder) as stdout, tempfile.TemporaryFile(dir=folder) as stderr:
        stdin.write(given.encode('utf-8')); stdin.seek(0)
        child = subprocess.Popen([sys.executable or '/usr/bin/python3', source], stdin=stdin, stdout=stdout, stderr=stderr, cwd=folder, preexec_fn=limit)
        end = time.monotonic() + 3 * job['seconds'] + 5
        status = 'ok'
        while True:
            pid, code, used = os.wait4(child.pid, os.WNOHANG)
            if pid: break
            if time.monotonic() > end:
                status = 'time'
                os.killpg(child.pid, signal.SIGKILL)
                pid, code, used = os.wait4(child.pid, 0)
                break
            time.sleep(0.002)
        child.returncode = 0
        try: os.killpg(child.pid, signal.SIGKILL)
        except OSError: pass
        cpu = used.ru_utime + used.ru_stime
        stdout.seek(0, 2)
        size = stdout.tell()
        stdout.seek(0); printed = stdout.read(kOutputMax)
        stderr.seek(0); said = stderr.read(1 << 20)
        if status == 'ok' and cpu > job['seconds']: status = 'time'
        elif status == 'ok' and size >= kOutputMax: status = 'output'
        elif status == 'ok' and code != 0: status = 'memory' if b'MemoryError' in said else 'exit'
        words = b' '.join(printed.split())
        last = said.decode('utf-8', 'replace').strip().splitlines()[-1:] if status == 'exit' else []
        print(job['mark'] + json.dumps({'n': number, 'status': status, 'cpu': round(cpu, 3), 'digest': hashlib.sha256(words).hexdigest(),
              'shown': words[:80].decode('utf-8', 'replace'), 'said': ''.join(last)[:80]}, ensure_ascii=False))
)";

// As Python's bytes.split() and ' '.join().
std::string words_of(const std::string& text) {
  std::string words;
  bool gap = false;
  for (const char c : text) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      gap = !words.empty();
    } else {
      if (gap) words += ' ';
      gap = false;
      words += c;
    }
  }
  return words;
}

struct TestEnd {
  std::string status, digest, shown, said;
};

std::vector<TestEnd> run_some(
    const std::string& program, const ProgramTest* tests, std::size_t n, const ProgramLimits& limits, const task::Evidence& evidence
) {
  std::random_device device;  // what the program prints cannot end up as a line of the harness: it goes to a file, and this is unknown
  const std::string mark = "toccata-test-" + std::to_string(device()) + std::to_string(device()) + ":";
  Value inputs = Value::array();
  for (std::size_t i = 0; i < n; ++i) inputs.push_back(tests[i].input);
  constexpr double kStart = 10;  // seconds for the sandbox itself
  task::CheckOrder order;
  order.code = kHarness;
  order.timeout_s = std::min(3600.0, kStart + static_cast<double>(n) * (3 * limits.seconds + 6));
  order.context["harness.json"] = task::to_json_text({{"program", program}, {"inputs", inputs}, {"mark", mark},
                                                      {"seconds", limits.seconds}, {"memory", limits.memory_mb << 20}});
  const task::CheckEnd end = evidence.host.run_check(order, evidence.stop);
  std::vector<TestEnd> ends;
  for (std::size_t at = end.output.find(mark); at != std::string::npos && ends.size() < n; at = end.output.find(mark, at)) {
    at += mark.size();
    Value line;
    const std::size_t stop = std::min(end.output.find('\n', at), end.output.size());
    if (!task::parse_json(std::string_view(end.output).substr(at, stop - at), line) || !line.is_object()) break;
    ends.push_back({line.value("status", ""), line.value("digest", ""), line.value("shown", ""), line.value("said", "")});
  }
  if (!end.ok && ends.empty() && !evidence.stop.stop_requested()) {
    throw Exception(ErrorCode::kUnavailable, "the tests could not be run: " + end.output.substr(0, 500));
  }
  return ends;
}

std::string digest_of(const std::string& words) {
  task::Sha256 hash;
  hash.add_bytes(words);
  return hash.hex();
}

std::string why(const TestEnd& end, const ProgramTest& test, const ProgramLimits& limits) {
  if (end.status == "time") return "took more than " + task::to_text(Value(limits.seconds)) + " s";
  if (end.status == "memory") return "needed more than " + std::to_string(limits.memory_mb) + " MiB";
  if (end.status == "output") return "printed more than 16 MiB";
  if (end.status != "ok") return "failed: " + end.said;
  if (end.digest == digest_of(words_of(test.output))) return "";
  return "printed '" + end.shown + "', which is not what is expected";
}

}  // namespace

std::string program_of(const std::string& answer) {
  // Fences open and close at the beginning of a line; the last one that is closed, or is open at the end.
  std::optional<std::string> last;
  std::size_t at = 0, begin = std::string::npos;
  while (at < answer.size()) {
    const std::size_t end = std::min(answer.find('\n', at), answer.size());
    if (answer.compare(at, 3, "```") == 0) {
      if (begin == std::string::npos) {
        begin = std::min(end + 1, answer.size());
      } else {
        last = answer.substr(begin, at - begin);
        begin = std::string::npos;
      }
    }
    at = end + 1;
  }
  if (begin != std::string::npos) last = answer.substr(begin);
  return last.value_or(answer);
}

Value grade_program(
    const std::string& program, const std::vector<ProgramTest>& tests, const ProgramLimits& limits, const task::Evidence& evidence
) {
  std::size_t n_passed = 0;
  for (std::size_t at = 0; at < tests.size(); at += kTestsAtOnce) {
    const std::size_t n = std::min(kTestsAtOnce, tests.size() - at);
    const std::vector<TestEnd> ends = run_some(program, tests.data() + at, n, limits, evidence);
    for (std::size_t i = 0; i < n; ++i) {
      const std::string failure = i < ends.size() ? why(ends[i], tests[at + i], limits) : "the sandbox ended before it";
      if (failure.empty()) {
        ++n_passed;
        continue;
      }
      return grade(false, "test " + std::to_string(at + i + 1) + " of " + std::to_string(tests.size()) + ": " + failure,
                   {{"tests_passed", n_passed}, {"tests", tests.size()}});
    }
  }
  return grade(true, "", {{"tests_passed", n_passed}, {"tests", tests.size()}});
}

}  // namespace toccata::eval
