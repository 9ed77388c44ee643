#include "agent/cli/search_setup.h"

#include <algorithm>
#include <iostream>

#include "core/base/mapped_file.h"
#include "tools/web/json_search.h"
#include "tools/web/search_services.h"

namespace toccata::cli {
namespace {

constexpr std::size_t kKeyBytesMax = 4096;

struct Key {
  std::string text;
  std::string source;  // where it was found, or where it would be looked for
};

Key find_key(const tools::SearchShape& shape, const std::map<std::string, SearchSettings>& settings, const Environment& env) {
  const auto known = settings.find(shape.name);
  const SearchSettings own = known == settings.end() ? SearchSettings{} : known->second;
  const std::string variable = own.key_env.empty() ? shape.key_variable : own.key_env;
  if (!variable.empty()) {
    if (const auto value = env.variable(variable)) return {checked_key(*value, variable), variable};
  }
  const bool named = !own.key_file.empty();
  std::filesystem::path file = named ? own.key_file : env.config_home / "keys" / shape.name;
  std::error_code missing;
  if (!named && !std::filesystem::exists(file, missing)) return {"", variable.empty() ? file.string() : variable + " or " + file.string()};
  return {read_key_file(file, env), file.string()};
}

std::vector<tools::SearchShape> own_shapes(const std::map<std::string, SearchSettings>& settings) {
  std::vector<tools::SearchShape> shapes;
  for (const auto& [name, setting] : settings) {
    if (setting.shape) shapes.push_back(*setting.shape);
  }
  return shapes;
}

bool takes_key(const tools::SearchShape& shape, const std::map<std::string, SearchSettings>& settings) {
  const auto own = settings.find(shape.name);
  const bool configured = own != settings.end() && (!own->second.key_env.empty() || !own->second.key_file.empty());
  return configured || shape.key_required || !shape.key_variable.empty();
}

}  // namespace

std::string checked_key(std::string text, const std::string& source) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_space(text.back())) text.pop_back();
  while (!text.empty() && is_space(text.front())) text.erase(0, 1);
  const bool sound = std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (!sound) throw Exception(ErrorCode::kInvalidArgument, source + " holds no API key: expected one word of ASCII characters");
  return text;
}

std::string read_key_file(std::filesystem::path file, const Environment& env) {
  if (file.string().starts_with("~/")) file = env.home / file.string().substr(2);
  return checked_key(read_text_file(file, kKeyBytesMax).value_or_throw(), file.string());
}

tools::ProxyRules proxy_rules(const std::string& proxy, const std::string& names, const Environment& env) {
  tools::ProxyRules rules;
  if (proxy.empty()) {
    rules = tools::ProxyRules::make(env.http_proxy, env.https_proxy, env.no_proxy).value_or_throw();
  } else if (proxy != "none") {
    rules = tools::ProxyRules::make(proxy, proxy, env.no_proxy).value_or_throw();
  }
  if (names != "checked" && names != "trusted") {
    throw Exception(ErrorCode::kInvalidArgument, "proxy_names is '" + names + "', expected checked or trusted");
  }
  rules.trust_names = names == "trusted";
  return rules;
}

std::vector<std::unique_ptr<tools::SearchService>> make_searches(
    const std::vector<std::string>& chosen, const std::map<std::string, SearchSettings>& settings, const tools::ProxyRules& proxy,
    const Environment& env, tools::Secrets* secrets
) {
  std::vector<std::unique_ptr<tools::SearchService>> services;
  for (const std::string& spec : chosen) {
    tools::SearchShape shape = tools::choose_search(spec, own_shapes(settings)).value_or_throw();
    const Key key = takes_key(shape, settings) ? find_key(shape, settings, env) : Key{};
    if (shape.key_required && key.text.empty()) {
      std::cerr << "toccata: WARNING: search service " << shape.name << " has no API key (" << key.source << "): it cannot be asked\n";
    }
    if (secrets != nullptr) secrets->keep_out(shape.name, key.text);
    services.push_back(std::make_unique<tools::JsonSearch>(std::move(shape), key.text, proxy));
  }
  return services;
}

std::vector<SearchState> search_states(
    const std::vector<std::string>& chosen, const std::map<std::string, SearchSettings>& settings, const Environment& env
) {
  std::vector<SearchState> states;
  std::vector<tools::SearchShape> shapes = own_shapes(settings);
  for (const tools::SearchShape& shape : tools::known_searches()) shapes.push_back(shape);
  std::vector<std::string> unknown = chosen;
  for (const tools::SearchShape& shape : shapes) {
    const auto is_this = [&](const std::string& spec) { return spec.substr(0, spec.find('=')) == shape.name; };
    const auto spec = std::find_if(chosen.begin(), chosen.end(), is_this);
    std::erase_if(unknown, is_this);
    SearchState state{shape.name, spec != chosen.end(), false, ""};
    try {
      const auto made = tools::choose_search(state.chosen ? *spec : shape.name, own_shapes(settings));
      const Key key = takes_key(shape, settings) ? find_key(shape, settings, env) : Key{};
      state.usable = made && (!key.text.empty() || !shape.key_required);
      state.detail = !made                ? made.error().message
                     : !key.text.empty()  ? "key from " + key.source
                     : shape.key_required ? "no key: " + key.source
                                          : "needs no key";
    } catch (const Exception& error) {  // a key file that cannot be read
      state.detail = error.what();
    }
    states.push_back(std::move(state));
  }
  for (const std::string& spec : unknown) states.push_back({spec, true, false, tools::choose_search(spec, shapes).error().message});
  return states;
}

}  // namespace toccata::cli
