#pragma once

#include <memory>
#include <optional>

#include "tools/mcp/process.h"
#include "tools/mcp/transport.h"

namespace toccata::tools::mcp {

// A server that is a program: one message a line on its stdin and stdout. Nothing is read between requests; a server
// that writes meanwhile is made to wait by its pipes.
class StdioTransport final : public Transport {
 public:
  StdioTransport(ProcessOrder order, TransportLimits limits) : order_(std::move(order)), limits_(limits) {}
  ~StdioTransport() override { close(); }

  Result<void> open() override;
  bool is_open() const override;
  void close() override;
  Result<Message> request(const Outgoing& message, const Wait& wait, const Listener& listener) override;
  Result<void> notify(const Outgoing& message, const Wait& wait) override;
  std::string log() const override { return log_; }
  std::string target() const override;
  // For tests that kill it.
  pid_t pid() const { return process_ ? process_->pid() : -1; }

 private:
  enum class Flow { kOpen, kEnded };
  // Writes, reads, waits: once.
  Result<Flow> pump(const Wait& wait, int wake);
  void write_some();
  // False: nothing more will come.
  bool read_some(int fd, const std::function<void(std::string_view)>& take);
  void keep_log(std::string_view bytes);
  Error gone();
  Error with_oddities(Error error) const;

  ProcessOrder order_;
  TransportLimits limits_;
  std::unique_ptr<Process> process_;
  std::optional<LineReader> lines_;
  std::string outgoing_;
  std::string log_;
  std::size_t n_read_ = 0;   // while this request waits
  int n_odd_ = 0;            // lines that were no message, or no answer to anything asked
  std::string first_odd_;
};

}  // namespace toccata::tools::mcp
