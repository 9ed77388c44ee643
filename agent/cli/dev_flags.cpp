#include "agent/cli/dev_flags.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <utility>

#include "agent/cli/dev_mask.h"
#include "agent/cli/dev_render.h"
#include "agent/cli/sandbox_setup.h"

namespace toccata::cli {

CLI::App* add_dev(CLI::App& app, DevOptions& o, Action& action, const Environment& env) {
  CLI::App* dev = app.add_subcommand("dev", "Machine interfaces: JSON Lines on stdin, one result a line on stdout");
  dev->require_subcommand(1);
  const auto lines = [&](const char* name, const char* help, std::function<int()> run) {
    CLI::App* verb = dev->add_subcommand(name, help);
    verb->callback([&action, run = std::move(run)] { action = run; });
    return verb;
  };
  lines("encode", "{id, text, allowed_special} -> {tokens}", [&o] { return dev_encode(o.encode, std::cin, std::cout); })
      ->add_option("--tokenizer", o.encode.tokenizer, "A tokenizer.json (default: o200k_harmony)");
  lines("decode", "{id, tokens} -> {text}", [&o] { return dev_decode(o.decode, std::cin, std::cout); })
      ->add_option("--tokenizer", o.decode.tokenizer, "A tokenizer.json (default: o200k_harmony)");
  lines("render", "{id, mode, conversation, ...} -> {text, tokens}", [] { return dev_render({}, std::cin, std::cout); });
  lines("parse", "{id, tokens | text, role, eos, tools} -> {messages, ...}", [&o] {
    return dev_parse(o.parse, std::cin, std::cout);
  })->add_flag("--strict", o.parse.strict, "Outcomes of openai-harmony, its errors included");

  lines("mask", "{id, schema | grammar, texts} -> {compile_ms, texts, mask_us}", [] {
    return dev_mask(std::cin, std::cout);
  });

  CLI::App* logits = lines("logits", "Logits of a checkpoint for given tokens", [&o] {
    return dev_logits(o.logits, std::cout, std::cerr);
  });
  logits->add_option("--model", o.logits.model, "Folder of the checkpoint, or a GGUF file")->required();
  logits->add_option("--tokens", o.logits.tokens, "File with a JSON list of token ids")->required();
  logits->add_option("--device", o.logits.device, "Where to run")->check(CLI::IsMember({"cpu", "cuda"}));
  logits->add_option("--precision", o.logits.precision, "Arithmetic")->check(CLI::IsMember({"f32", "fast"}));
  logits->add_option("--kv", o.logits.kv, "Keys and values on the CPU")->check(CLI::IsMember({"auto", "f32", "f16", "q8"}));
  logits->add_option("--rows", o.logits.rows, "Positions to print")->delimiter(',');
  logits->add_option("--greedy", o.logits.greedy, "Tokens to continue with")->check(CLI::NonNegativeNumber);

  CLI::App* sandbox = lines("sandbox", "{op: open | execute | fork | list | download | upload | close | quit}", [&o, &env] {
    o.sandbox.policy = sandbox_policy(o.sandbox_as, env);
    o.sandbox.make_egress = sandbox_egress(o.sandbox_as, env);
    return dev_sandbox(o.sandbox, std::cin, std::cout);
  });
  sandbox->add_option("--sandbox", o.sandbox.level, "Least level accepted");
  sandbox->add_option("--python", o.sandbox_as.python, "Interpreter, as of `run`")->envname("TOCCATA_PYTHON");
  sandbox->add_option("--mount", o.sandbox_as.mounts, "Folder or file to read, as of `run`; may be repeated")->allow_extra_args(false);
  sandbox->add_option("--sandbox-net", o.sandbox_as.sandbox_net, "Host to reach, as of `run`; may be repeated")->delimiter(',')->allow_extra_args(false);
  const auto index = [&](CLI::App* verb, std::filesystem::path& path) {
    verb->add_option("--index", path, "SQLite file of local documents");
  };
  index(lines("page", "{id, url, main} -> {title, text, links, error}", [&o] {
          return dev_page(o.page, std::cin, std::cout);
        }), o.page.index);
  o.browser.index = o.search.index = env.index_path();
  index(lines("browser", "{id, session, recipient, content} -> {author, channel, output}", [&o, &env] {
          return dev_browser(o.browser, env, std::cin, std::cout);
        }), o.browser.index);
  for (const auto& [verb, scope] : {std::pair{"page", &o.page.page_text}, std::pair{"browser", &o.browser.page_text}}) {
    dev->get_subcommand(verb)->add_option("--page-text", *scope, "whole, or main = the main content only")
        ->check(CLI::IsMember({"whole", "main"}))
        ->capture_default_str();
  }
  index(lines("search", "{id, index, query} -> {ids}", [&o] {
          return dev_search(o.search, std::cin, std::cout);
        }), o.search.index);
  const auto origins = [](CLI::App* verb, std::vector<std::string>& urls) {
    verb->add_option("--allow-origin", urls, "Origin that may be asked although it is not public; may be repeated")->allow_extra_args(false);
  };
  origins(lines("url-policy", "{id, url, resolved} -> {allow, reason}", [&o] {
            return dev_url_policy(o.url_policy, std::cin, std::cout);
          }), o.url_policy.allow_origins);
  origins(dev->get_subcommand("page"), o.page.allow_origins);
  origins(dev->get_subcommand("browser"), o.browser.allow_origins);
  dev->get_subcommand("browser")->add_option("--search", o.browser.search, "Search service, as of `run`; may be repeated")->delimiter(',')->allow_extra_args(false);
  return dev;
}

}  // namespace toccata::cli
