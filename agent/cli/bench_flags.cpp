#include "agent/cli/bench_flags.h"

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace toccata::cli {

void add_bench(CLI::App& app, BenchOptions& o, Action& action, const Environment& env) {
  CLI::App* bench = app.add_subcommand("bench", "How fast this machine runs a model: prefill, decode, many sessions, long contexts");
  bench->footer(R"(Examples:
  toccata bench -m openai/gpt-oss-20b
  toccata bench -m openai/gpt-oss-20b -j 1,2,4,8 --depth 0,8192 --decode 128
  toccata bench -m nano --precision fast --json | jq .tokens_per_second
  taskset -c 0-3 toccata bench -m openai/gpt-oss-20b     on four processors
  toccata bench -m nano -p 64 -n 16 --profile            where the time of a pass goes
  toccata bench -m openai/gpt-oss-20b --device cuda --gpu-memory 8

Sessions that decode at the same time share the passes of the built-in engine. "ms a token" is what one of them waits
for its next token. Decoding a large model is bounded by reading its weights: the memory's speed is printed beside it.
With --profile each measurement is followed by one more run, and a table of what every operation took beside its floor:
the bytes it must move over the memory's speed, or its arithmetic over the tensor cores', whichever is longer. A small
model's weights come from the caches and may be faster than that.)");
  bench->add_option("-m,--model", o.model, "nano | folder | Hugging Face id in the cache | URL")->envname("TOCCATA_MODEL")->capture_default_str();
  bench->add_option("--device", o.device, "Of the built-in engine")->check(CLI::IsMember({"auto", "cpu", "cuda"}))->capture_default_str();
  bench->add_option("--precision", o.precision, "Arithmetic on the CPU")->check(CLI::IsMember({"auto", "f32", "fast"}))->capture_default_str();
  bench->add_option("--kv", o.kv, "Keys and values on the CPU")->check(CLI::IsMember({"auto", "f32", "f16", "q8"}))->capture_default_str();
  const auto list = [&](const char* name, std::vector<int>& values, const char* help, int least) {
    bench->add_option(name, values, help)->delimiter(',')->check(CLI::Range(least, 1 << 20))->capture_default_str();
  };
  list("-p,--prompt", o.prompts, "Tokens of the prompts to read", 1);
  list("--depth", o.depths, "Tokens in a session before it decodes", 0);
  list("-j,--sessions", o.parallel, "Sessions that decode at the same time", 1);
  bench->add_option("-n,--decode", o.decode, "Tokens that each samples")->check(CLI::Range(1, 1 << 20))->capture_default_str();
  bench->add_option("-r,--repeats", o.repeats, "Of each measurement; the median is reported")->check(CLI::Range(1, 1000))->capture_default_str();
  bench->add_flag("--offline", o.offline, "Refuse a model at a URL");
  bench->add_flag("--profile", o.profile, "Also what every operation of a pass takes, next to its floor");
  bench->add_flag("--no-graphs", o.no_graphs, "On a GPU: launch by launch, not from captured graphs, to compare");
  bench->add_option("--gpu-memory", o.gpu_gib, "GiB that weights, keys and values may take on the GPU; 0 = what is free")->check(CLI::Range(0.0, 1e6))->capture_default_str();
  bench->add_flag("--json", o.json, "One JSON object a measurement");
  bench->callback([&, a = &action] { *a = [&] { return bench_verb(o, env); }; });
}

}  // namespace toccata::cli
