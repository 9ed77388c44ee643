// MCP over lines, as stdio has it, without the reading and writing: bytes in, messages out. One client, either era.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "agent/mcp/peer.h"

namespace toccata::mcp {

class LineServer {
 public:
  static constexpr std::size_t kLineMax = std::size_t{8} << 20;

  // One message, without a line feed; any thread, one at a time. May block; must not throw.
  using Send = std::function<void(const std::string& message)>;

  LineServer(Service& service, WorkQueue& queue, const ServerIdentity& identity, Send send);
  // As close(). What a call still sends afterwards goes nowhere.
  ~LineServer();
  LineServer(const LineServer&) = delete;
  LineServer& operator=(const LineServer&) = delete;

  // One thread at a time.
  void push(std::string_view bytes);
  // The client is gone: cancels all it began, and returns when it has ended.
  void close();

 private:
  struct Way;  // to the client, while there is one
  class LineOutlet;
  void handle(const std::string& line);

  Service& service_;
  std::shared_ptr<Way> way_;
  std::shared_ptr<Peer> peer_;
  tools::mcp::LineReader reader_{kLineMax};
};

}  // namespace toccata::mcp
