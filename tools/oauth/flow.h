// How a login goes, as a state machine without I/O (MCP specification 2025-11-25 and 2026-07-28, authorization): it says what is
// to be asked next, and is told what came of it.
//
//   Flow flow(order);
//   for (Step step = flow.begin();;)
//     Ask: send it                      -> step = flow.answer(...)
//     Visit: show it to the user        -> step = flow.arrived(query of the redirect)
//     Login: done; Error: it ends here
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tools/oauth/challenge.h"
#include "tools/oauth/endpoint_rules.h"
#include "tools/oauth/login.h"
#include "tools/oauth/metadata.h"

namespace toccata::tools::oauth {

struct Visit {
  std::string url;  // of the authorization server: the user's browser is to open it
};
using Step = std::variant<Ask, Visit, Login, Error>;

struct FlowOrder {
  std::string server_url = {};
  Settings settings = {};
  Challenge challenge = {};            // of the refused request
  std::optional<Login> held = {};      // what there was before: its registration and scopes may be used again
  std::string redirect_uri = {};       // empty: there is no user who could be asked
  std::string client_name = "Toccata";
};

// A value that belongs to one login and one thread. Once it has ended it stays so.
class Flow {
 public:
  Flow(FlowOrder order, EndpointRules rules, World world);

  Step begin();
  Step answer(const Answer& answer);
  // The query of a request to the redirect address. An answer with another state is none: see is_answer().
  Step arrived(std::string_view query);
  // Whether a query belongs to the Visit that is under way.
  bool is_answer(std::string_view query) const;

 private:
  enum class State { kResource, kServer, kRegister, kVisit, kIdentity, kToken, kEnded };

  Step ask(Ask ask);
  Step fail(Error error);
  // The next of candidates_, or what it means that all of them are used up.
  Step ask_for_metadata();
  Step no_metadata();
  Step read_resource(const std::string& body);
  Step find_server(const std::string& issuer);
  Step read_server(const std::string& body);
  Step choose_client();
  Step registered(const Answer& answer);
  Step start_grant();
  Step visit();
  Step exchanged(const Answer& answer);
  Step ask_for_token(Form form);
  std::vector<std::string> scopes_to_ask_for() const;
  std::string auth_method(const std::string& secret) const;
  Registration preregistered() const;

  FlowOrder order_;
  EndpointRules rules_;
  World world_;
  State state_ = State::kResource;
  std::vector<std::string> candidates_;  // addresses of the metadata that is looked for
  std::size_t candidate_ = 0;
  std::string asked_url_;
  int n_redirects_ = 0;
  std::string missing_;  // what the last candidate answered
  ResourceMetadata resource_;
  bool has_resource_ = false;  // false: a server of 2025-03-26, which is its own authorization server
  ServerMetadata server_;
  Login login_;
  std::string state_value_, verifier_;
};

}  // namespace toccata::tools::oauth
