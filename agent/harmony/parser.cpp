#include "agent/harmony/parser.h"

#include <algorithm>

#include "agent/harmony/header.h"
#include "core/tokenizer/utf8.h"

namespace toccata::harmony {
namespace {

using End = MessageDone::End;
using Kind = HeaderPiece::Kind;

bool blank(std::string_view text) { return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos; }

// A header longer than this is content that lost its `<|message|>`: bounds what a hostile stream makes us hold.
constexpr std::size_t kHeaderBytesMax = 64 << 10;

}  // namespace

// Three places a token can be in: between messages, in a header, in content.
struct Parser::State {
  enum class Place { kBetween, kHeader, kContent };

  State(const Renderer& renderer, ParserOptions parser_options)
      : tokenizer(renderer.tokenizer()),
        control(renderer.control()),
        options(std::move(parser_options)),
        role(options.role),
        decoder(tokenizer) {
    if (role) begin_header();
  }

  // ---- both modes ----

  bool ends_message(Token t) const {
    return t == control.end || t == control.return_ || t == control.call;
  }
  End end_of(Token t) const {
    return t == control.call ? End::kCall : t == control.return_ ? End::kReturn : End::kEnd;
  }
  std::string spelled(Token t) const {
    const auto bytes = tokenizer.token_bytes(t);
    return bytes ? std::string(*bytes) : "\xEF\xBF\xBD";
  }

  void begin_header() {
    place = Place::kHeader;
    pieces.assign(1, HeaderPiece{Kind::kStart, ""});
    header_tokens = 0;
    header_bytes = 0;
    decoder = tokenizer::StreamDecoder(tokenizer);
  }

  void open(const Header& header) {
    for (const std::string& what : header.warnings) warn(what);
    message = Message{};
    message.role = header.role;
    message.name = header.name;
    message.channel = header.channel;
    message.recipient = header.recipient;
    message.content_type = header.content_type;
    text.clear();
    role.reset();
    place = Place::kContent;
    decoder = tokenizer::StreamDecoder(tokenizer);
    events.push_back(MessageStarted{header.role, header.name, header.channel, header.recipient, header.content_type});
  }

  void add_text(std::string delta) {
    if (delta.empty()) return;
    text += delta;
    events.push_back(ContentDelta{std::move(delta)});
  }

  void close(End end) {
    add_text(decoder.finish());
    message.content.assign(1, TextContent{text});
    messages.push_back(message);
    events.push_back(MessageDone{std::move(message), end});
    place = Place::kBetween;
    stray.clear();
    decoder = tokenizer::StreamDecoder(tokenizer);
  }

  void warn(std::string what) { events.push_back(Warning{position, std::move(what)}); }

  std::vector<ParseEvent> take_events() { return std::exchange(events, {}); }

  // ---- strict: openai-harmony 0.0.8, its errors included ----

  Result<void> push_strict(Token t) {
    switch (place) {
      case Place::kBetween:
        if (t != control.start) {
          return Error{
              ErrorCode::kCorrupt, "Unexpected token " + std::to_string(t) +
                                       " while expecting start token " + std::to_string(control.start)};
        }
        begin_header();
        return {};
      case Place::kHeader: {
        if (t != control.message) {
          // Control tokens are part of the header's text here, as in the reference.
          const auto bytes = tokenizer.token_bytes(t);
          pieces[0].text += bytes.value_or("\xFF");
          return {};
        }
        if (!tokenizer::is_valid_utf8(pieces[0].text)) {
          place = Place::kBetween;
          return Error{ErrorCode::kCorrupt, "could not decode header"};
        }
        auto header = read_header_strict(pieces[0].text, role);
        if (!header) {
          place = Place::kBetween;
          return header.error();
        }
        open(*header);
        return {};
      }
      case Place::kContent:
        if (ends_message(t)) {
          close(end_of(t));
        } else {
          add_text(decoder.push(t));
        }
        return {};
    }
    return {};
  }

  Result<void> finish_strict() {
    if (place == Place::kHeader) {
      return Error{
          ErrorCode::kCorrupt, "Unexpected EOS while waiting for message header to complete"};
    }
    if (place == Place::kContent) close(End::kEos);
    return {};
  }

  // ---- lenient ----

  void push_lenient(Token t) {
    switch (place) {
      case Place::kBetween: return between(t);
      case Place::kHeader: return in_header(t);
      case Place::kContent: return in_content(t);
    }
  }

  // Stop tokens are nothing here; a structural token implies the `<|start|>assistant` a model forgot, and words just
  // before it were meant as a role. Other text that is not blank is a message of its own.
  void between(Token t) {
    if (t == control.start) {
      flush_stray(End::kImplied);
      role.reset();
      begin_header();
    } else if (t == control.channel || t == control.message || t == control.constrain) {
      if (!blank(stray)) warn("ignored: '" + stray + "' between messages");
      warn("no <|start|> before a header");
      stray.clear();
      role = Role::kAssistant;
      begin_header();
      in_header(t);
    } else if (ends_message(t) || t == control.endoftext) {
      flush_stray(ends_message(t) ? end_of(t) : End::kImplied);
    } else if (tokenizer.is_special(t)) {
      warn("ignored: " + spelled(t) + " between messages");
    } else {
      stray += decoder.push(t);
    }
  }

  void flush_stray(End end) {
    stray += decoder.finish();
    if (blank(stray)) {
      stray.clear();
      return;
    }
    Header header;
    header.warnings.push_back("text outside of a message");
    std::string kept = std::exchange(stray, {});
    open(header);
    add_text(std::move(kept));
    close(end);
  }

  void in_header(Token t) {
    if (t == control.message) {
      pieces.back().text += decoder.finish();
      open(read_header(pieces, role, options.tools));
    } else if (t == control.channel || t == control.constrain) {
      pieces.back().text += decoder.finish();
      pieces.push_back({t == control.channel ? Kind::kChannel : Kind::kConstrain, ""});
    } else if (t == control.start) {
      // Again in an empty header: it just starts anew. Otherwise the header was a message without `<|message|>`.
      if (header_tokens > 0) flush_header(End::kImplied);
      if (header_tokens > 0 || place == Place::kBetween) role.reset();
      // A role the prompt gave does not hold when the stream brings its own `<|start|>`.
      role.reset();
      begin_header();
      return;
    } else if (ends_message(t) || t == control.endoftext) {
      flush_header(ends_message(t) ? end_of(t) : End::kImplied);
      return;
    } else if (tokenizer.is_special(t)) {
      warn("ignored: " + spelled(t) + " in a header");
    } else {
      std::string piece = decoder.push(t);
      header_bytes += piece.size();
      pieces.back().text += piece;
      if (header_bytes > kHeaderBytesMax) return header_is_content();
    }
    ++header_tokens;
  }

  // No `<|message|>` came: the front of the header is header, the rest is what the model wanted to say.
  void flush_header(End end) {
    pieces.back().text += decoder.finish();
    HeaderAndContent split = split_header(pieces, role);
    const bool empty = blank(split.content) && !split.header.recipient;
    if (empty) {
      if (header_tokens > 0) warn("a header without a message");
      place = Place::kBetween;
      stray.clear();
      return;
    }
    // Words after a type are no arguments of a call: kept, but the call is not complete.
    if (split.header.recipient && end != End::kCall) end = End::kImplied;
    open(split.header);
    add_text(std::move(split.content));
    close(end);
  }

  void header_is_content() {
    HeaderAndContent split = split_header(pieces, role);
    split.header.recipient.reset();
    open(split.header);
    add_text(std::move(split.content));
  }

  void in_content(Token t) {
    if (ends_message(t)) {
      close(end_of(t));
    } else if (t == control.endoftext) {
      close(End::kImplied);
    } else if (t == control.start) {
      warn("a message that was not ended");
      close(End::kImplied);
      role.reset();
      begin_header();
    } else if (t == control.channel) {
      warn("a message that was not ended");
      close(End::kImplied);
      role = Role::kAssistant;
      begin_header();
      in_header(t);
    } else if (tokenizer.is_special(t)) {
      warn("ignored: " + spelled(t) + " in a message");
    } else {
      add_text(decoder.push(t));
    }
  }

  void finish_lenient() {
    if (place == Place::kContent) {
      close(End::kEos);
    } else if (place == Place::kHeader) {
      flush_header(End::kEos);
    } else {
      flush_stray(End::kEos);
    }
  }

  const tokenizer::Tokenizer& tokenizer;
  const ControlTokens control;
  const ParserOptions options;

  Place place = Place::kBetween;
  std::optional<Role> role;  // of the header being read, when the prompt or a missing `<|start|>` gave it
  std::vector<HeaderPiece> pieces;
  std::size_t header_tokens = 0, header_bytes = 0;
  std::string stray;
  Message message;
  std::string text;
  tokenizer::StreamDecoder decoder;

  std::size_t position = 0;
  std::vector<Message> messages;
  std::vector<ParseEvent> events;
};

Parser::Parser(const Renderer& renderer, ParserOptions options)
    : state_(std::make_unique<State>(renderer, std::move(options))) {}
Parser::~Parser() = default;
Parser::Parser(Parser&&) noexcept = default;
Parser& Parser::operator=(Parser&&) noexcept = default;

Result<std::vector<ParseEvent>> Parser::push(Token token) {
  if (state_->options.strict) {
    if (auto done = state_->push_strict(token); !done) return done.error();
  } else {
    state_->push_lenient(token);
  }
  ++state_->position;
  return state_->take_events();
}

Result<std::vector<ParseEvent>> Parser::finish() {
  if (state_->options.strict) {
    if (auto done = state_->finish_strict(); !done) return done.error();
  } else {
    state_->finish_lenient();
  }
  return state_->take_events();
}

const std::vector<Message>& Parser::messages() const { return state_->messages; }

Projection project(const std::vector<Message>& messages, const std::vector<std::string>& tools) {
  Projection out;
  std::string without_channel;
  const auto add_line = [](std::string& to, const std::string& text) {
    if (!to.empty()) to += '\n';
    to += text;
  };
  for (const Message& m : messages) {
    if (m.role != Role::kAssistant) continue;
    if (m.recipient) {
      if (*m.recipient == "assistant" || *m.recipient == "all" || *m.recipient == "user") continue;
      out.calls.push_back({resolve_tool(*m.recipient, tools).value_or(*m.recipient), m.text()});
    } else if (m.channel == "analysis") {
      add_line(out.reasoning, m.text());
    } else if (m.channel == "commentary") {
      add_line(out.preamble, m.text());
    } else if (m.channel == "final") {
      add_line(out.final, m.text());
    } else if (!m.channel) {
      add_line(without_channel, m.text());
    }
  }
  if (out.final.empty()) out.final = without_channel;
  return out;
}

std::optional<std::string> resolve_tool(
    std::string_view recipient, const std::vector<std::string>& tools
) {
  const auto declared = [&tools](std::string_view name) -> std::optional<std::string> {
    if (std::find(tools.begin(), tools.end(), name) != tools.end()) return std::string(name);
    // A bare name means the one declared function of that name; a namespace may be left out or put twice.
    std::optional<std::string> found;
    for (const std::string& tool : tools) {
      const std::size_t dot = tool.find('.');
      if (dot == std::string::npos || std::string_view(tool).substr(dot + 1) != name) continue;
      if (found) return std::nullopt;
      found = tool;
    }
    return found;
  };
  std::string name = clean_name(recipient);
  if (name.empty()) return std::nullopt;
  if (auto found = declared(name)) return found;
  for (constexpr std::string_view kPrefix = "functions."; name.starts_with(kPrefix);) {
    name.erase(0, kPrefix.size());
    if (auto found = declared(name)) return found;
    if (auto found = declared(std::string(kPrefix) + name)) return found;
  }
  // A type glued to the name: `shelljson`.
  for (const std::string_view type : {"json", "code"}) {
    if (!name.ends_with(type) || name.size() == type.size()) continue;
    const std::string bare = name.substr(0, name.size() - type.size());
    if (auto found = declared(bare)) return found;
    if (auto found = declared("functions." + bare)) return found;
  }
  return std::nullopt;
}

}  // namespace toccata::harmony
