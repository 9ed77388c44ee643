#include "agent/model/engine_model.h"

#include <algorithm>
#include <map>

#include "core/cuda/device.h"
#include "core/engine/batcher.h"
#include "core/engine/cuda_device.h"
#include "core/engine/model.h"
#include "core/engine/session.h"
#include "core/model/checkpoint_files.h"

namespace toccata::agent {
namespace {

class EngineSession : public TokenSession {
 public:
  EngineSession(engine::Session session, int n_legal)
      : session_(std::move(session)), n_legal_(n_legal) {
    count();  // a fork goes on counting
  }

  Result<void> append(std::span<const Token> tokens) override {
    Result<void> appended = session_.append(tokens);
    count();
    return appended;
  }

  Result<Sampled> sample(
      const SamplingParams& params, std::optional<TokenMask> mask, std::stop_token stop
  ) override {
    const auto draw = session_.sample(params, mask, n_legal_, std::move(stop));
    count();
    if (!draw) return draw.error();
    Sampled sampled{draw->token, draw->logprob};
    for (const auto& [token, logprob] : draw->top) sampled.top.push_back({token, logprob});
    return sampled;
  }

  Result<void> prefill(std::stop_token stop) override {
    const auto read = session_.logits(std::move(stop));
    count();
    if (!read) return read.error();
    return {};
  }

  Result<std::unique_ptr<TokenSession>> fork() override {
    return std::unique_ptr<TokenSession>(std::make_unique<EngineSession>(session_.fork(), n_legal_)
    );
  }

  Result<Checkpoint> checkpoint() override {
    Result<engine::Checkpoint> taken = session_.checkpoint();
    count();
    if (!taken) return taken.error();
    const Checkpoint checkpoint{taken->n_tokens, ++last_handle_};
    checkpoints_.emplace(checkpoint.handle, std::move(*taken));
    return checkpoint;
  }

  Result<void> rollback(const Checkpoint& checkpoint) override {
    if (checkpoint.handle == 0) return session_.rollback(checkpoint.n_tokens);
    const auto found = checkpoints_.find(checkpoint.handle);
    if (found == checkpoints_.end()) {
      return Error{ErrorCode::kInvalidArgument, "the checkpoint was taken in another session"};
    }
    session_.rollback(found->second);
    // What was taken later stands on tokens that are gone.
    checkpoints_.erase(std::next(found), checkpoints_.end());
    return {};
  }

  std::int64_t n_tokens() const override { return session_.n_tokens(); }
  const Usage& usage() const override { return usage_; }

 private:
  void count() {
    const engine::Usage& usage = session_.usage();
    usage_ = {usage.appended, usage.prefilled + usage.shared, usage.decoded};
  }

  engine::Session session_;
  int n_legal_;
  Usage usage_;
  std::uint64_t last_handle_ = 0;
  std::map<std::uint64_t, engine::Checkpoint> checkpoints_;
};

class EngineModel : public TokenModel {
 public:
  EngineModel(
      std::string name,
      std::shared_ptr<const engine::Model> model,
      std::shared_ptr<const tokenizer::Tokenizer> tokenizer
  )
      : name_(std::move(name)), model_(std::move(model)), tokenizer_(std::move(tokenizer)) {
    capabilities_.constraint = true;
    capabilities_.fork = true;
    capabilities_.logprobs = true;
    capabilities_.logit_changes = true;
    capabilities_.n_vocab = model_->config().n_vocab;
    capabilities_.n_context = model_->n_context();
  }

  const std::string& name() const override { return name_; }
  const Capabilities& capabilities() const override { return capabilities_; }
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer() const override { return tokenizer_; }
  Result<std::unique_ptr<TokenSession>> open_session() override {
    // Rows of the embedding above the vocabulary are padding: they have logits and no text.
    const int n_legal = std::min(model_->config().n_vocab, tokenizer_->n_vocab());
    return std::unique_ptr<TokenSession>(
        std::make_unique<EngineSession>(engine::Session(model_), n_legal)
    );
  }
  ExpertLoad expert_load() const override {
    if (model_->batcher() == nullptr) return {};
    const engine::ExpertLoad& load = model_->batcher()->expert_load();
    return {load.n_layers(), load.n_experts(), load.counts()};
  }

  std::string whereabouts() const override { return model_->cuda() != nullptr ? model_->cuda()->describe() : std::string(); }
  bool start_profile() override {
    model_->cuda() != nullptr ? model_->cuda()->start_profile() : model_->batcher()->start_profile();
    return true;
  }
  Profile stop_profile() override {
    if (model_->cuda() == nullptr) return {model_->batcher()->stop_profile()};
    Profile profile{model_->cuda()->stop_profile()};
    const auto limits = model_->cuda()->limits();
    profile.bytes_per_second = limits.bytes_per_second;
    profile.flops_per_second = limits.flops_per_second;
    return profile;
  }

 private:
  std::string name_;
  std::shared_ptr<const engine::Model> model_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  Capabilities capabilities_;
};

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<std::shared_ptr<const tokenizer::Tokenizer>> read_tokenizer(model::CheckpointFiles& files) {
  if (!files.has("tokenizer.json")) return tokenizer::Tokenizer::o200k_harmony();
  const auto bytes = files.read("tokenizer.json");
  if (!bytes) return bytes.error();
  auto tokenizer = tokenizer::Tokenizer::from_hf_json(as_text(*bytes));
  if (!tokenizer) {
    return Error{
        tokenizer.error().code, files.name() + "/tokenizer.json: " + tokenizer.error().message};
  }
  return tokenizer;
}

ops::Device device_for(EngineDevice wanted) {
  switch (wanted) {
    case EngineDevice::kCpu: return ops::Device::kCpu;
    case EngineDevice::kCuda: return ops::Device::kCuda;
    case EngineDevice::kAuto: break;
  }
  const auto devices = cuda::list_devices();
  return devices && !devices->empty() ? ops::Device::kCuda : ops::Device::kCpu;
}

Result<std::unique_ptr<TokenModel>> load(
    std::shared_ptr<model::CheckpointFiles> files, const EngineOptions& options
) {
  try {
    auto tokenizer = read_tokenizer(*files);
    if (!tokenizer) return tokenizer.error();
    const std::string name = files->name();
    engine::Options engine_options;
    engine_options.n_threads = options.n_threads;
    engine_options.n_context = options.n_context;
    engine_options.speculate = options.speculate;
    if (!options.kv.empty()) engine_options.kv = ops::kv_type_named(options.kv);
    engine_options.graphs = options.graphs;
    engine_options.device_bytes = options.device_bytes;
    engine_options.device = device_for(options.device);
    engine_options.prefix_bytes = options.prefix_bytes;
    engine_options.prefix_folder = options.prefix_folder;
    engine_options.exact = engine_options.device == ops::Device::kCpu ? !options.fast : options.exact;
    auto model = engine::Model::load(std::move(files), engine_options);
    return std::unique_ptr<TokenModel>(
        std::make_unique<EngineModel>(name, std::move(model), std::move(*tokenizer))
    );
  } catch (const Exception& failure) {
    return failure.error();
  }
}

}  // namespace

Result<std::unique_ptr<TokenModel>> load_engine_model(
    const std::filesystem::path& directory, const EngineOptions& options
) {
  Result<std::unique_ptr<model::CheckpointFiles>> files = model::open_checkpoint(directory);
  if (!files) return files.error();
  return load(std::move(*files), options);
}

Result<std::unique_ptr<TokenModel>> load_engine_model(
    const EmbeddedModel& embedded, const EngineOptions& options
) {
  std::map<std::string, std::span<const std::byte>, std::less<>> files;
  files.emplace("config.json", std::as_bytes(std::span(embedded.config_json)));
  files.emplace("model.safetensors", embedded.safetensors);
  if (!embedded.tokenizer_json.empty()) {
    files.emplace("tokenizer.json", std::as_bytes(std::span(embedded.tokenizer_json)));
  }
  return load(model::checkpoint_in_memory(embedded.name, std::move(files)), options);
}

}  // namespace toccata::agent
