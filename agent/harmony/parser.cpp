#include "agent/harmony/parser.h"

#include <utility>

#include "agent/harmony/arguments.h"
#include "agent/harmony/header.h"
#include "core/tokenizer/utf8.h"

namespace toccata::harmony {
namespace {

using End = MessageDone::End;
using Kind = HeaderPiece::Kind;

bool blank(std::string_view text) { return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos; }

// Whether words before a structural token are a header whose `<|start|>` is missing.
bool is_header_text(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n\v\f");
  if (begin == std::string_view::npos) return false;
  text.remove_prefix(begin);
  const std::string_view word = text.substr(0, text.find_first_of(" \t\r\n\v\f"));
  return word.starts_with("assistant") || word.starts_with("to=") || word == "analysis" || word == "commentary" ||
         word == "final";
}

// Whether words that end without a structural token were a call's header: never to be shown.
bool is_call_text(std::string_view text) {
  const std::size_t to = text.find("to=");
  return is_header_text(text) && to != std::string_view::npos && to < 32;
}

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
      stray += decoder.finish();
      warn("no <|start|> before a header");
      role = Role::kAssistant;
      begin_header();
      // The words may be the header itself: `commentary to=functions.f json<|message|>`.
      if (is_header_text(stray)) {
        pieces[0].text = stray;
      } else if (!blank(stray)) {
        warn("ignored: '" + stray + "' between messages");
      }
      stray.clear();
      in_header(t);
    } else if (ends_message(t) || t == control.endoftext) {
      if (blank(stray)) warn("ignored: " + spelled(t) + " between messages");
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
    if (is_call_text(stray)) {
      begin_header();
      role = Role::kAssistant;
      pieces[0].text = std::exchange(stray, {});
      header_tokens = 1;
      return flush_header(end);
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
      if (header_tokens > 0) {
        flush_header(End::kImplied);
      } else {
        warn("ignored: " + spelled(t) + " in a header");
      }
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
    if (end == End::kEos && is_unfinished(pieces, role)) {
      if (header_tokens > 0) warn("the stream ended in a header: '" + header_text() + "'");
      return be_between();
    }
    HeaderAndContent split = split_header(pieces, role);
    Header& header = split.header;
    if (blank(split.content) && !header.recipient) {
      if (header_tokens > 0) warn("a header without a message: '" + header_text() + "'");
      return be_between();
    }
    // Prose after a recipient is no call (`<|constrain|>write: edit the file<|end|>`); it is kept, unseen.
    const bool ended = end == End::kEnd || end == End::kReturn || end == End::kImplied;
    if (header.role == Role::kAssistant && header.recipient && ended && !is_json_object(split.content)) {
      header.warnings.push_back("prose in the place of a call to '" + *header.recipient + "', kept as analysis");
      if (header.content_type) header.warnings.push_back("ignored: the type '" + *header.content_type + "'");
      header.recipient.reset();
      header.content_type.reset();
      header.channel = "analysis";
    }
    open(header);
    add_text(std::move(split.content));
    close(end);
  }

  void header_is_content() {
    pieces.back().text += decoder.finish();
    HeaderAndContent split = split_header(pieces, role);
    if (split.header.recipient) warn("ignored: the recipient '" + *split.header.recipient + "' of an endless header");
    split.header.recipient.reset();
    open(split.header);
    add_text(std::move(split.content));
  }

  void be_between() {
    place = Place::kBetween;
    stray.clear();
    decoder = tokenizer::StreamDecoder(tokenizer);
  }

  std::string header_text() const {
    std::string all;
    for (const HeaderPiece& piece : pieces) {
      if (!all.empty() && !piece.text.empty()) all += ' ';
      all += piece.text;
    }
    return all;
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

Result<void> Parser::push(Token token, std::vector<ParseEvent>& out) {
  std::swap(state_->events, out);
  Result<void> done;
  if (state_->options.strict) {
    done = state_->push_strict(token);
  } else {
    state_->push_lenient(token);
  }
  ++state_->position;
  std::swap(state_->events, out);
  return done;
}

Result<void> Parser::finish(std::vector<ParseEvent>& out) {
  std::swap(state_->events, out);
  Result<void> done;
  if (state_->options.strict) {
    done = state_->finish_strict();
  } else {
    state_->finish_lenient();
  }
  std::swap(state_->events, out);
  return done;
}

Result<std::vector<ParseEvent>> Parser::push(Token token) {
  std::vector<ParseEvent> events;
  if (auto done = push(token, events); !done) return done.error();
  return events;
}

Result<std::vector<ParseEvent>> Parser::finish() {
  std::vector<ParseEvent> events;
  if (auto done = finish(events); !done) return done.error();
  return events;
}

const std::vector<Message>& Parser::messages() const { return state_->messages; }

}  // namespace toccata::harmony
