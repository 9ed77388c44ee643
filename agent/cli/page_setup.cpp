#include "agent/cli/page_setup.h"

#include <iostream>
#include <utility>

#include "agent/cli/search_setup.h"
#include "sandbox/sandbox.h"
#include "tools/pdf/pdf_reader.h"
#include "tools/zim/zim_archive.h"

namespace toccata::cli {
namespace {

sandbox::Level level_named(const std::string& name) {
  const auto level = sandbox::parse_level(name);
  if (!level) throw Exception(ErrorCode::kInvalidArgument, "unknown sandbox level '" + name + "'");
  return *level;
}

}  // namespace

tools::PdfToText pdf_to_text(const std::string& sandbox_level) {
  auto reader = std::make_shared<tools::PdfReader>(level_named(sandbox_level));
  return [reader](std::string_view pdf, std::stop_token stop) { return reader->text(pdf, std::move(stop)); };
}

tools::OpenArchive open_archive(const std::string& sandbox_level) {
  const sandbox::Level level = level_named(sandbox_level);
  return [level](const std::filesystem::path& file, std::stop_token stop) -> Result<std::unique_ptr<tools::DocumentArchive>> {
    auto archive = tools::ZimArchive::open(file, level, {}, std::move(stop));
    if (!archive) return archive.error();
    return std::unique_ptr<tools::DocumentArchive>(std::move(*archive));
  };
}

std::shared_ptr<tools::Embedder> make_embedder(const EmbeddingsOptions& options, const tools::ProxyRules& proxy, const Environment& env) {
  if (options.url.empty()) return nullptr;
  tools::EmbeddingService service{options.url, options.model};
  service.query_prefix = options.query_prefix;
  service.text_prefix = options.text_prefix;
  const auto value = options.key_env.empty() ? std::nullopt : env.variable(options.key_env);
  if (value) {
    service.key = checked_key(*value, options.key_env);
  } else if (!options.key_file.empty()) {
    service.key = read_key_file(options.key_file, env);
  } else if (!options.key_env.empty()) {
    std::cerr << "toccata: WARNING: " << options.key_env << " is not set: the embeddings service is asked without a key\n";
  }
  return tools::HttpEmbedder::make(std::move(service), proxy).value_or_throw();
}

void use_embeddings(tools::LocalIndex& index, const EmbeddingsOptions& options, const tools::ProxyRules& proxy, const Environment& env) {
  const auto warn = [](const std::string& warning) { std::cerr << "toccata: WARNING: " << warning << '\n'; };
  const auto space = index.vector_space().value_or_throw();
  if (!space) return;
  if (options.url.empty()) {
    warn("the index has vectors of " + space->model + ", but no --embeddings service is named: it is searched by words alone");
    return;
  }
  EmbeddingsOptions chosen = options;
  if (chosen.model.empty()) chosen.model = space->model;
  index.use_embedder(make_embedder(chosen, proxy, env), warn);
}

}  // namespace toccata::cli
