#include "agent/server/generation.h"

#include <algorithm>
#include <chrono>

namespace toccata::server {
namespace {

using Clock = std::chrono::steady_clock;
using Finish = StepOutcome::Finish;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class StepRunner {
 public:
  StepRunner(
      SessionPool::Lease& lease,
      const harmony::Renderer& renderer,
      const StepOptions& options,
      StepListener& listener
  )
      : lease_(lease),
        renderer_(renderer),
        options_(options),
        listener_(listener),
        sampling_(options.sampling, options.penalties),
        stops_(options.stop_strings),
        begin_(lease.timeline().size()),
        boundary_(begin_) {
    new_parser();
    if (!options_.constraint) return;
    constraint_.emplace(options_.constraint);
    constraint_->begin();
  }

  StepOutcome run(const std::stop_token& stop) {
    const auto start = Clock::now();
    auto first = start;
    std::int64_t n = 0;
    while (true) {
      if (options_.max_tokens > 0 && n >= options_.max_tokens) {
        outcome_.finish = Finish::kLength;
        break;
      }
      if (const std::int64_t n_forced = take_forced(); n_forced != 0) {
        if (n_forced < 0) break;
        n += n_forced;
        continue;
      }
      const auto mask = constraint_ ? constraint_->mask() : std::nullopt;
      const auto sampled = lease_.sample(sampling_.params(), mask, stop);
      if (!sampled) {
        end_with(sampled.error(), n);
        break;
      }
      if (n++ == 0) first = Clock::now();
      const bool was_reasoning = open_ && kind_ == MessageKind::kReasoning;
      if (!renderer_.tokenizer().is_special(sampled->token)) sampling_.observe(sampled->token);
      if (take(*sampled)) break;
      if (was_reasoning) ++outcome_.n_reasoning;
    }
    finish_parser();
    outcome_.prefill_s = std::chrono::duration<double>(first - start).count();
    outcome_.decode_s = n > 0 ? seconds_since(first) : 0;
    outcome_.tokens.assign(
        lease_.timeline().begin() + static_cast<std::ptrdiff_t>(begin_), lease_.timeline().end()
    );
    if (outcome_.finish == Finish::kStop && !outcome_.calls.empty()) outcome_.finish = Finish::kCalls;
    return std::move(outcome_);
  }

 private:
  // What the format leaves no choice about is not sampled. How many tokens that was; -1: the step has ended.
  std::int64_t take_forced() {
    if (!constraint_) return 0;
    const Tokens forced = constraint_->forced();
    if (forced.empty()) return 0;
    if (const auto appended = lease_.append(forced); !appended) {
      end_with(appended.error(), 1);
      return -1;
    }
    for (const Token token : forced) {
      if (take({token, 0})) return -1;
    }
    return std::ssize(forced);
  }

  void new_parser() {
    parser_.emplace(
        renderer_,
        harmony::ParserOptions{
            .role = harmony::Role::kAssistant, .strict = false, .tools = options_.recipients}
    );
  }

  void end_with(const Error& error, std::int64_t n) {
    if (error.code == ErrorCode::kCancelled) {
      outcome_.finish = Finish::kCancelled;
    } else if (error.code == ErrorCode::kResourceExhausted && n > 0) {
      outcome_.finish = Finish::kLength;
    } else {
      outcome_.finish = Finish::kFailed;
      outcome_.error = error;
    }
  }

  // True when the step has ended.
  bool take(const agent::Sampled& sampled) {
    const auto& control = renderer_.control();
    const Token token = sampled.token;
    pending_logprobs_.push_back(token_logprob(renderer_.tokenizer(), sampled));
    if (constraint_) constraint_->observe(token);
    const auto events = parser_->push(token);
    if (events && must_force(*events)) {
      force_call();
      return false;
    }
    if (events) handle(*events);
    if (!citing_ || !citing_->is_holding()) pending_logprobs_.clear();
    if (stops_.matched()) {
      outcome_.finish = Finish::kStopString;
      outcome_.stop_string = stops_.match();
      return true;
    }
    return ended_ || token == control.return_ || token == control.call || token == control.endoftext;
  }

  // --- Forced calls ------------------------------------------------------------------------------------------------

  // Whether these events end the reasoning, or begin something that is neither reasoning nor a call.
  bool must_force(const std::vector<harmony::ParseEvent>& events) {
    if (!options_.must_call || forced_ || constraint_) return false;
    for (const harmony::ParseEvent& event : events) {
      if (const auto* started = std::get_if<harmony::MessageStarted>(&event)) {
        const MessageKind kind = kind_of(*started);
        if (kind == MessageKind::kCall) forced_ = true;  // it does so by itself
        if (kind == MessageKind::kFinal || kind == MessageKind::kPreamble) {
          take_back_to_boundary();
          return true;
        }
      } else if (std::holds_alternative<harmony::MessageDone>(event)) {
        if (forced_) return false;
        handle(events);
        replace_closing();
        boundary_ = lease_.timeline().size();
        return true;
      }
    }
    return false;
  }

  void take_back_to_boundary() {
    const auto n = static_cast<std::int64_t>(lease_.timeline().size() - boundary_);
    if (n > 0) rolled_back_ = lease_.take_back(n).ok();
  }
  void replace_closing() {
    const auto& control = renderer_.control();
    if (lease_.timeline().back() == control.end) return;
    if (!lease_.take_back(1).ok()) return;
    (void)lease_.append(std::span(&control.end, 1)).ok();
  }

  void force_call() {
    forced_ = true;
    pending_logprobs_.clear();
    if (!rolled_back_) return;  // the session cannot; the model's own choice stands
    const auto& control = renderer_.control();
    Tokens header;
    if (boundary_ != begin_) header = renderer_.opening(harmony::Role::kAssistant);
    const std::size_t n_opening = header.size();
    header.push_back(control.channel);
    add_call_header(*options_.must_call, header);
    if (!lease_.append(header).ok()) return;
    new_parser();
    for (std::size_t i = n_opening; i < header.size(); ++i) {
      if (const auto events = parser_->push(header[i])) handle(*events);
    }
  }

  void add_call_header(const std::string& name, Tokens& header) const {
    const auto& control = renderer_.control();
    const auto say = [&](const std::string& text) { renderer_.tokenizer().encode_into(text, tokenizer::Specials::kNone, header); };
    const std::string built_in = name == "browser" ? "browser.search" : name;
    if (options_.made_here.contains(built_in)) {
      say("analysis to=" + built_in + " code");
      header.push_back(control.message);
      return;
    }
    say("commentary to=functions." + (name.empty() ? "" : name + " "));
    if (name.empty()) return;
    header.push_back(control.constrain);
    say("json");
    header.push_back(control.message);
  }

  // --- What the parser says ----------------------------------------------------------------------------------------

  static MessageKind kind_of(const harmony::MessageStarted& started) {
    if (agent::asks_for_tool(started.recipient)) return MessageKind::kCall;
    if (started.channel == "analysis") return MessageKind::kReasoning;
    if (started.channel == "commentary") return MessageKind::kPreamble;
    return MessageKind::kFinal;
  }

  void handle(const std::vector<harmony::ParseEvent>& events) {
    for (const harmony::ParseEvent& event : events) {
      std::visit([this](const auto& e) { on(e); }, event);
    }
  }

  void on(const harmony::Warning&) {}

  void on(const harmony::MessageStarted& started) {
    open_ = true;
    kind_ = kind_of(started);
    text_.clear();
    recipient_.clear();
    if (kind_ == MessageKind::kCall) {
      recipient_ = *started.recipient;
      if (auto resolved = harmony::resolve_tool(recipient_, options_.recipients)) {
        recipient_ = std::move(*resolved);
      }
    }
    citing_.reset();
    if (kind_ == MessageKind::kFinal && options_.pages) citing_.emplace(*options_.pages);
    if (visible() && !outcome_.step.text.empty()) separator_due_ = true;
    listener_.started(kind_, recipient_);
  }

  bool visible() const { return kind_ == MessageKind::kFinal || kind_ == MessageKind::kPreamble; }

  void on(const harmony::ContentDelta& delta) {
    if (!open_) return;
    if (!visible() || options_.stop_strings.empty()) return show(delta.text);
    show(stops_.push(delta.text));
  }

  void show(const std::string& text) {
    if (!citing_) return emit(text);
    show(citing_->push(text));
  }

  void show(const std::vector<agent::CitationStream::Piece>& pieces) {
    for (const agent::CitationStream::Piece& piece : pieces) {
      if (!piece.citation) {
        emit(piece.text);
        continue;
      }
      const char last = text_.empty() ? ' ' : text_.back();
      if (last != ' ' && last != '\n' && last != '(') emit(" ");
      const std::string link = link_of(*piece.citation);
      listener_.cited(*piece.citation, link);
      emit(link);
    }
  }

  void emit(const std::string& text) {
    if (text.empty()) return;
    text_ += text;
    if (visible() && std::exchange(separator_due_, false)) outcome_.step.text += "\n\n";
    if (visible()) outcome_.step.text += text;
    if (kind_ == MessageKind::kReasoning) outcome_.step.reasoning += text;
    static const std::vector<TokenLogprob> none;
    const bool has_logprobs = kind_ == MessageKind::kFinal && !pending_logprobs_.empty();
    listener_.text(kind_, text, has_logprobs ? pending_logprobs_ : none);
    if (citing_) pending_logprobs_.clear();  // of several pieces the first has them
  }

  void on(const harmony::MessageDone& done) {
    if (!open_) return;
    if (visible() && !options_.stop_strings.empty()) show(stops_.rest());
    if (citing_) show(citing_->finish());
    open_ = false;
    boundary_ = lease_.timeline().size();
    if (kind_ == MessageKind::kCall) {
      outcome_.step.calls.push_back({recipient_, text_});
      outcome_.calls.push_back({done.message, done.end});
      outcome_.calls.back().message.recipient = recipient_;
      // What would follow is the model's own idea of the result.
      ended_ = ended_ || options_.makes_call(recipient_);
    }
    listener_.done(kind_, text_, outcome_.finish == Finish::kStop || outcome_.finish == Finish::kStopString);
  }

  void finish_parser() {
    if (const auto events = parser_->finish()) {
      if (!stops_.matched()) handle(*events);
    }
    if (open_) on(harmony::MessageDone{});
  }

  SessionPool::Lease& lease_;
  const harmony::Renderer& renderer_;
  const StepOptions& options_;
  StepListener& listener_;
  PenalizedSampling sampling_;
  StopStrings stops_;
  std::optional<agent::CitationStream> citing_;  // of an open answer
  const std::size_t begin_;  // length of the prompt
  std::size_t boundary_;     // where the open message begins
  std::optional<harmony::Parser> parser_;
  std::optional<harmony::Constraint> constraint_;
  StepOutcome outcome_;
  std::vector<TokenLogprob> pending_logprobs_;
  bool open_ = false, ended_ = false, forced_ = false, rolled_back_ = true, separator_due_ = false;
  MessageKind kind_ = MessageKind::kFinal;
  std::string recipient_, text_;
};

}  // namespace

TokenLogprob token_logprob(const tokenizer::Tokenizer& tokenizer, const agent::Sampled& sampled) {
  const auto bytes = [&](Token token) { return std::string(tokenizer.token_bytes(token).value_or("")); };
  TokenLogprob told{bytes(sampled.token), sampled.logprob};
  for (const agent::Likely& likely : sampled.top) told.top.push_back({bytes(likely.token), likely.logprob});
  return told;
}

StepOutcome run_step(
    SessionPool::Lease& lease,
    const harmony::Renderer& renderer,
    const StepOptions& options,
    StepListener& listener,
    const std::stop_token& stop
) {
  return StepRunner(lease, renderer, options, listener).run(stop);
}

std::shared_ptr<const agent::ShownPages> pages_of(const ChatRequest& request) {
  auto pages = std::make_shared<agent::ShownPages>();
  for (const Turn& turn : request.turns) {
    const auto* result = std::get_if<ToolText>(&turn);
    if (result != nullptr && agent::shows_pages(result->author)) pages->show(result->text);
  }
  return pages->empty() ? nullptr : pages;
}

std::string link_of(const agent::Citation& citation) {
  // What ends a link in Markdown is spelled out in it.
  std::string url;
  for (const char c : citation.url) {
    if (c == '(') url += "%28";
    else if (c == ')') url += "%29";
    else if (c == '<') url += "%3C";
    else if (c == '>') url += "%3E";
    else if (static_cast<unsigned char>(c) <= ' ') url += "%20";
    else url += c;
  }
  const std::size_t scheme = url.find("://");
  std::string host = scheme == std::string::npos ? url : url.substr(scheme + 3);
  host.resize(std::min(host.size(), host.find_first_of("/?#")));
  if (host.empty()) host = citation.title;
  std::erase_if(host, [](char c) { return c == '[' || c == ']'; });
  return "([" + host + "](" + url + "))";
}

std::string StopStrings::push(std::string_view piece) {
  if (matched_) return {};
  held_ += piece;
  std::size_t at = std::string::npos;
  for (const std::string& stop : strings_) {
    const std::size_t found = held_.find(stop);
    if (found < at) {
      at = found;
      match_ = stop;
    }
  }
  if (at != std::string::npos) {
    matched_ = true;
    std::string before = held_.substr(0, at);
    held_.clear();
    return before;
  }
  // The longest end of the text that is the beginning of a stop string.
  std::size_t keep = 0;
  for (const std::string& stop : strings_) {
    for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
      if (held_.ends_with(std::string_view(stop).substr(0, n))) keep = n;
    }
  }
  std::string shown = held_.substr(0, held_.size() - keep);
  held_.erase(0, shown.size());
  return shown;
}

std::string StopStrings::rest() { return matched_ ? std::string() : std::exchange(held_, {}); }

}  // namespace toccata::server
