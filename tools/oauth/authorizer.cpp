#include "tools/oauth/authorizer.h"

#include <utility>

#include "tools/mcp/client.h"
#include "tools/oauth/fetch.h"
#include "tools/oauth/redirect_listener.h"

namespace toccata::tools::oauth {
namespace {

constexpr std::int64_t kRenewAhead = 30;  // seconds before a token runs out
constexpr int kAttemptsMax = 2;           // for one message
constexpr int kStepsMax = 40;             // of one login: the state machine needs fewer

std::string header_of(const Login& login) { return "Bearer " + login.access_token; }

// The port of the last time, where the redirect address is registered by it; else any.
Result<RedirectListener> open_listener(const Settings& settings, const std::optional<Login>& held) {
  if (settings.callback_port != 0) return RedirectListener::open(settings.callback_port);
  if (held && held->client.self_made) {
    const Result<WebUrl> before = parse_web_url(held->client.redirect_uri);
    if (before && before->host == "127.0.0.1") {
      if (Result<RedirectListener> listener = RedirectListener::open(before->port)) return listener;
    }
  }
  return RedirectListener::open(0);
}

}  // namespace

Authorizer::Authorizer(AuthorizerOrder order, LoginStore store) : order_(std::move(order)), store_(std::move(store)) {
  const Settings& own = order_.settings;
  for (const std::string* secret : {&own.client_secret, &own.private_key, &own.assertion, &own.identity.client_secret, &own.identity.id_token}) {
    if (order_.keep_out) order_.keep_out("oauth of " + order_.name, *secret);
  }
  if (auto held = store_.load()) take(std::move(*held));
}

Error Authorizer::needs_login(const std::string& why) const {
  return {ErrorCode::kPermissionDenied, why + ": log in with `toccata mcp login " + order_.name + "`"};
}

void Authorizer::take(Login login) {
  if (order_.keep_out) {
    order_.keep_out("access token of " + order_.name, login.access_token);
    order_.keep_out("refresh token of " + order_.name, login.refresh_token);
    order_.keep_out("client secret of " + order_.name, login.client.client_secret);
  }
  const std::scoped_lock lock(login_mutex_);
  login_ = std::move(login);
}

std::string Authorizer::current() {
  const std::scoped_lock lock(login_mutex_);
  return login_ && !login_->access_token.empty() ? header_of(*login_) : std::string();
}

bool Authorizer::is_stale(const Login& login) const { return login.expires_at != 0 && login.expires_at - kRenewAhead <= order_.world.now(); }

void Authorizer::prepare(const mcp::Wait& wait) {
  std::string carried;
  {
    const std::scoped_lock lock(login_mutex_);
    if (!login_ || !is_stale(*login_) || login_->refresh_token.empty()) return;
    carried = header_of(*login_);
  }
  const std::scoped_lock lock(mutex_);
  if (current() == carried) (void)refresh(carried, wait.stop).ok();
}

Result<void> Authorizer::refresh(const std::string& carried, std::stop_token stop) {
  const LoginStore::Lock lock(store_);
  std::optional<Login> held;
  {
    const std::scoped_lock guard(login_mutex_);
    held = login_;
  }
  if (const auto kept = store_.load()) {
    if (header_of(*kept) != carried && !is_stale(*kept)) {
      take(*kept);
      return {};
    }
    held = kept;
  }
  if (!held || held->refresh_token.empty()) return Error{ErrorCode::kPermissionDenied, "there is no refresh token"};
  const Result<EndpointRules> rules = EndpointRules::make(order_.server_url, order_.settings);
  if (!rules) return rules.error();
  const Result<Ask> ask = refresh_request(*held, order_.settings.private_key, order_.world);
  if (!ask) return ask.error();
  const Result<Answer> answer = fetch(*ask, *rules, order_.proxy, stop);
  if (!answer) return answer.error();
  Result<Login> renewed = with_tokens(*held, *answer, order_.world.now());
  if (!renewed) {
    if (renewed.error().code == ErrorCode::kPermissionDenied) {
      // The authorization server will not take it again.
      held->refresh_token.clear();
      (void)store_.save(*held).ok();
      take(std::move(*held));
    }
    return renewed.error();
  }
  if (Result<void> saved = store_.save(*renewed); !saved) return saved;
  take(std::move(*renewed));
  return {};
}

Result<bool> Authorizer::renew(const mcp::Refusal& refusal, const mcp::Wait& wait) {
  const Challenge challenge = bearer_challenge(refusal.challenges);
  if (refusal.status != 401 && challenge.parameter("error") != "insufficient_scope") return false;
  const std::scoped_lock lock(mutex_);
  if (refusal.n_before >= kAttemptsMax) {
    return Error{ErrorCode::kPermissionDenied, "the server refuses its own login again and again (HTTP status " + std::to_string(refusal.status) + ")"};
  }
  if (current() != refusal.carried) return true;  // another thread has got one meanwhile
  if (refusal.status == 401 && refusal.n_before == 0 && !refusal.carried.empty()) {
    const Result<void> refreshed = refresh(refusal.carried, wait.stop);
    if (refreshed) return true;
    const ErrorCode code = refreshed.error().code;
    if (code == ErrorCode::kUnavailable || code == ErrorCode::kTimeout || code == ErrorCode::kCancelled) {
      return Error{code, "its login has run out and cannot be renewed now: " + refreshed.error().message};
    }
  }
  if (refusal.status == 403) {
    const std::scoped_lock guard(login_mutex_);
    const auto wanted = parse_scopes(challenge.parameter("scope"));
    if (wanted.empty() || (login_ && has_scopes(login_->granted, wanted))) {
      return Error{ErrorCode::kPermissionDenied, "the server wants more rights for this than its login can have" +
                                                     (wanted.empty() ? "" : ": " + join_scopes(wanted) + " was granted and is not enough")};
    }
  }
  if (order_.settings.grant == Grant::kAuthorizationCode && !order_.desk.show) {
    return needs_login(refusal.status == 403 ? "it wants more rights than the login has" : refusal.carried.empty() ? "it wants a login" : "its login has run out");
  }
  Result<Login> login = run_flow(challenge, wait.stop);
  if (!login) return login.error();
  return true;
}

Result<Login> Authorizer::log_in(std::stop_token stop) {
  const Result<EndpointRules> rules = EndpointRules::make(order_.server_url, order_.settings);
  if (!rules) return rules.error();
  const mcp::Json meta{{"io.modelcontextprotocol/protocolVersion", mcp::kModernVersion},
                       {"io.modelcontextprotocol/clientInfo", {{"name", "toccata"}, {"version", "0"}}},
                       {"io.modelcontextprotocol/clientCapabilities", mcp::Json::object()}};
  const Ask question{"POST", order_.server_url,
                     {{"Content-Type", "application/json"}, {"Accept", "application/json, text/event-stream"},
                      {"MCP-Protocol-Version", mcp::kModernVersion}, {"Mcp-Method", "server/discover"}},
                     mcp::request_text(1, "server/discover", {{"_meta", meta}})};
  const Result<Answer> answer = fetch(question, *rules, order_.proxy, stop);
  if (!answer) return answer.error();
  const std::scoped_lock lock(mutex_);
  Result<Login> login = run_flow(bearer_challenge(answer->challenges), stop);
  if (!login && answer->status != 401) {
    return Error{login.error().code, login.error().message + "; it answered without one (HTTP status " + std::to_string(answer->status) +
                                         "), so perhaps none is needed"};
  }
  return login;
}

Result<Login> Authorizer::run_flow(const Challenge& challenge, std::stop_token stop) {
  Result<EndpointRules> rules = EndpointRules::make(order_.server_url, order_.settings);
  if (!rules) return rules.error();
  FlowOrder order{.server_url = order_.server_url, .settings = order_.settings, .challenge = challenge};
  {
    const std::scoped_lock guard(login_mutex_);
    order.held = login_;
  }
  std::optional<RedirectListener> listener;
  if (order_.settings.grant == Grant::kAuthorizationCode && order_.desk.show) {
    Result<RedirectListener> opened = open_listener(order_.settings, order.held);
    if (!opened) return opened.error();
    listener.emplace(std::move(*opened));
    order.redirect_uri = listener->uri();
  }
  Flow flow(std::move(order), *rules, order_.world);
  Step step = flow.begin();
  for (int n = 0; n < kStepsMax; ++n) {
    if (auto* error = std::get_if<Error>(&step)) return std::move(*error);
    if (auto* login = std::get_if<Login>(&step)) {
      take(*login);
      if (Result<void> saved = store_.save(*login); !saved) return saved.error();
      return std::move(*login);
    }
    if (const auto* ask = std::get_if<Ask>(&step)) {
      Result<Answer> answer = fetch(*ask, *rules, order_.proxy, stop);
      if (!answer) return answer.error();
      step = flow.answer(*answer);
      continue;
    }
    order_.desk.show(std::get<Visit>(step).url);
    const auto deadline = std::chrono::steady_clock::now() + order_.desk.time;
    const Result<std::string> query = listener->wait([&](std::string_view text) { return flow.is_answer(text); }, deadline, stop);
    if (!query) return Error{query.error().code, "the login at " + order_.name + ": " + query.error().message};
    step = flow.arrived(*query);
  }
  return Error{ErrorCode::kResourceExhausted, "the login leads from one address to the next without an end"};
}

}  // namespace toccata::tools::oauth
