#include "agent/mcp/line_server.h"

namespace toccata::mcp {
namespace {

using namespace tools::mcp;

constexpr const char* kClient = "stdio";

// What is wrong with a line that is no message; its id when it has one.
std::pair<Json, Refusal> explain(const std::string& line, const Error& error) {
  const Result<Json> object = parse_object(line);
  const auto start = line.find_first_not_of(" \t\r");
  if (!object && start != std::string::npos && line[start] == '[') {
    return {nullptr, {kInvalidRequest, "batches are not supported: send one message a line"}};
  }
  if (!object) return {nullptr, {kParseError, error.message}};
  const Json id = object->value("id", Json());
  return {id.is_string() || id.is_number_integer() ? id : Json(), {kInvalidRequest, error.message}};
}

}  // namespace

struct LineServer::Way {
  std::mutex mutex;
  Send send;

  void operator()(const std::string& message) {
    const std::lock_guard lock(mutex);
    if (send) send(message);
  }
};

class LineServer::LineOutlet final : public Outlet {
 public:
  explicit LineOutlet(std::shared_ptr<Way> way) : way_(std::move(way)) {}
  void notify(const std::string& message) override { (*way_)(message); }
  void answer(const std::string& message, int) override { (*way_)(message); }
  void drop() override {}

 private:
  std::shared_ptr<Way> way_;
};

LineServer::LineServer(Service& service, WorkQueue& queue, const ServerIdentity& identity, Send send)
    : service_(service), way_(std::make_shared<Way>()), peer_(std::make_shared<Peer>(service, queue, identity, kClient)) {
  way_->send = std::move(send);
}

LineServer::~LineServer() { close(); }

void LineServer::push(std::string_view bytes) {
  reader_.push(bytes);
  while (auto line = reader_.next()) {
    if (line->too_long) {
      (*way_)(error_text(nullptr, kInvalidRequest, "a line of more than " + std::to_string(kLineMax) + " bytes was left out"));
    } else {
      handle(line->text);
    }
  }
}

void LineServer::handle(const std::string& line) {
  Result<Message> message = parse_message(line);
  if (!message) {
    const auto [id, refusal] = explain(line, message.error());
    return (*way_)(error_text(id, refusal.code, refusal.message));
  }
  switch (message->kind) {
    case Message::Kind::kRequest: {
      // server/discover is a word of the modern era whatever else is missing.
      const bool modern = version_in(*message) || message->method == "server/discover";
      peer_->request(*message, modern ? Era::kModern : Era::kLegacy, std::make_shared<LineOutlet>(way_));
      return;
    }
    case Message::Kind::kNotification:
      return peer_->notification(*message);
    case Message::Kind::kResponse:
      return;  // nothing is asked of clients
  }
}

void LineServer::close() {
  if (!peer_) return;
  peer_->cancel_all();
  peer_->wait();
  {
    const std::lock_guard lock(way_->mutex);
    way_->send = nullptr;
  }
  service_.forget(kClient);
  peer_.reset();
}

}  // namespace toccata::mcp
