#include "agent/toolfile/call_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/web/address_policy.h"

namespace toccata::toolfile {
namespace {

using task::YamlField;
using task::YamlNode;
using tools::declared::CommandCall;
using tools::declared::HttpCall;
using Kind = YamlNode::Kind;
using Piece = tools::declared::TextTemplate::Piece;

bool all_of(std::string_view text, std::string_view more) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || more.find(c) != std::string_view::npos;
  });
}
bool is_header_name(const std::string& name) { return all_of(name, "!#$%&'*+-.^_`|~"); }
bool is_variable_name(const std::string& name) { return all_of(name, "_") && (name[0] < '0' || name[0] > '9'); }

// What the request itself is made of.
bool is_reserved_header(std::string name) {
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  constexpr const char* kReserved[] = {"connection", "content-length", "content-type", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"};
  return std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved);
}

bool is_pointer(const std::string& text) {
  if (!text.empty() && text[0] != '/') return false;
  try {
    return nlohmann::ordered_json::json_pointer(text).to_string() == text;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

}  // namespace

tools::declared::TextTemplate CallReader::read_template(const YamlNode& node) {
  if (node.kind != Kind::kScalar || node.scalar.is_null()) {
    fields_.problem(node.place, "found " + node.found() + ", expected a text");
    return {};
  }
  Result<TextTemplate> parsed = TextTemplate::parse(node.is_text() ? node.scalar.get<std::string>() : node.text);
  if (!parsed) {
    fields_.problem(node.place, parsed.error().message);
    return {};
  }
  for (const std::string& name : parsed->names(Piece::Kind::kArgument)) {
    if (std::find(names_.arguments.begin(), names_.arguments.end(), name) != names_.arguments.end()) continue;
    const std::string known = names_.arguments.empty() ? "none: 'parameters' has no properties" : "one of " + task::listed(names_.arguments);
    fields_.problem(node.place, "found the unknown argument '" + name + "', expected " + known + task::did_you_mean(name, names_.arguments));
  }
  for (const std::string& name : parsed->names(Piece::Kind::kSecret)) names_.secrets.insert(name);
  return std::move(*parsed);
}

std::vector<std::pair<std::string, tools::declared::TextTemplate>> CallReader::read_templates(const YamlNode& map, std::string_view key) {
  std::vector<std::pair<std::string, TextTemplate>> all;
  const YamlNode* node = map.find(key);
  if (node == nullptr) return all;
  if (node->kind != Kind::kMap) {
    fields_.problem(node->place, "found " + node->found() + " for '" + std::string(key) + "', expected a mapping of texts");
    return all;
  }
  for (const YamlField& field : node->fields) all.emplace_back(field.key, read_template(field.value));
  return all;
}

HttpCall CallReader::read_http(const YamlNode& node) {
  HttpCall http;
  const std::vector<std::string> known = {"method", "url", "query", "headers", "json", "form", "body", "content_type", "key_header", "show", "private"};
  if (!fields_.mapping(node, "'http'", known)) return http;
  http.private_host = fields_.boolean(node, "private").value_or(false);
  read_url(node, http);
  http.query = read_templates(node, "query");
  read_headers(node, http);
  read_body(node, http);
  const bool has_body = http.body != HttpCall::Body::kNone;
  http.method = fields_.one_of(node, "method", {"GET", "POST", "PUT", "PATCH", "DELETE"}).value_or(has_body ? "POST" : "GET");
  if (http.method == "GET" && has_body) fields_.problem(node.place, "found a body for GET, expected another method, or 'query'");
  if (const YamlNode* show = node.find("show")) read_show(*show, http);
  return http;
}

// The origin is literal: scheme, host and port are nobody's argument.
void CallReader::read_url(const YamlNode& node, HttpCall& http) {
  const YamlNode* url = node.find("url");
  if (url == nullptr) return fields_.problem(node.place, "found no 'url' in 'http', expected one");
  http.url = read_template(*url);
  const auto& pieces = http.url.pieces();
  if (pieces.empty()) return;
  const std::string literal = pieces[0].kind == Piece::Kind::kText ? pieces[0].text : "";
  const std::size_t scheme = literal.find("://");
  const bool closed = scheme != std::string::npos && (pieces.size() == 1 || literal.find_first_of("/?", scheme + 3) != std::string::npos);
  if (!closed) {
    return fields_.problem(url->place, "found " + url->found() + " for 'url', expected http:// or https://, a host, and a '/' before the first argument");
  }
  const Result<tools::WebUrl> parsed = tools::parse_web_url(literal);
  if (!parsed) return fields_.problem(url->place, "found a 'url' that cannot be used: " + parsed.error().message);
  http.origin = parsed->origin();
  for (const Piece& piece : pieces) {
    if (piece.kind == Piece::Kind::kText && piece.text.find('#') != std::string::npos) {
      return fields_.problem(url->place, "found a '#' in 'url', expected none: what follows one is not sent");
    }
  }
  if ((literal + "/").find("/../") != std::string::npos || (literal + "/").find("/./") != std::string::npos) {
    return fields_.problem(url->place, "found '.' or '..' as a part of 'url', expected its plain path");
  }
  tools::AddressPolicy policy;
  if (http.private_host) policy.allowed_origins.push_back(*parsed);
  if (const tools::Verdict verdict = tools::judge_url(policy, *parsed); !verdict.allow) {
    fields_.problem(url->place, "found a 'url' that is not public (" + verdict.reason + "), expected 'private: true' beside it where that is meant");
  }
  for (const std::string& name : http.url.names(Piece::Kind::kArgument)) {
    if (!names_.required.contains(name)) {
      fields_.problem(url->place, "found the argument '" + name + "' in 'url', expected it in 'required', or in 'query' instead");
    }
  }
}

void CallReader::read_headers(const YamlNode& node, HttpCall& http) {
  http.headers = read_templates(node, "headers");
  for (const auto& [name, text] : http.headers) {
    const task::Place& place = node.find("headers")->place;
    if (!is_header_name(name)) fields_.problem(place, "found the header name '" + name + "', expected letters, digits and -");
    if (is_reserved_header(name)) fields_.problem(place, "found the header '" + name + "', which the request sets itself (of a body: 'content_type')");
  }
  if (const auto name = fields_.text(node, "key_header")) {
    if (!is_header_name(*name) || is_reserved_header(*name)) fields_.problem(node.find("key_header")->place, "found '" + *name + "' for 'key_header', expected the name of a header");
    http.key_header = *name;
  }
}

void CallReader::read_body(const YamlNode& node, HttpCall& http) {
  int n_bodies = 0;
  if (const YamlNode* json = node.find("json")) {
    ++n_bodies;
    http.body = HttpCall::Body::kJson;
    check_json(*json);
    http.json = std::make_shared<const nlohmann::ordered_json>(json->value());
  }
  if (node.find("form") != nullptr) {
    ++n_bodies;
    http.body = HttpCall::Body::kForm;
    http.form = read_templates(node, "form");
  }
  if (const YamlNode* text = node.find("body")) {
    ++n_bodies;
    http.body = HttpCall::Body::kText;
    http.text = read_template(*text);
  }
  if (n_bodies > 1) fields_.problem(node.place, "found more than one of 'json', 'form' and 'body', expected one of them");
  http.content_type = fields_.text(node, "content_type").value_or("");
  const bool clean = std::all_of(http.content_type.begin(), http.content_type.end(), [](char c) { return c >= ' ' && c < 0x7F; });
  if (!clean) fields_.problem(node.find("content_type")->place, "found control characters in 'content_type', expected a media type");
  if (!http.content_type.empty() && n_bodies == 0) fields_.problem(node.find("content_type")->place, "found 'content_type' without a body, expected 'json', 'form' or 'body'");
}

void CallReader::check_json(const YamlNode& node) {
  if (node.is_text()) read_template(node);
  for (const YamlNode& item : node.items) check_json(item);
  for (const YamlField& field : node.fields) check_json(field.value);
}

void CallReader::read_show(const YamlNode& node, HttpCall& http) {
  const auto add = [&](const std::string& name, const YamlNode& pointer) {
    if (!pointer.is_text() || !is_pointer(pointer.text)) {
      fields_.problem(pointer.place, "found " + pointer.found() + " for 'show', expected a JSON pointer such as /items/0/name");
      return;
    }
    http.show.emplace_back(name, pointer.text);
  };
  if (node.kind != Kind::kMap) return add("", node);
  for (const YamlField& field : node.fields) add(field.key, field.value);
}

CommandCall CallReader::read_command(const YamlNode& node) {
  CommandCall command;
  if (!fields_.mapping(node, "'command'", {"argv", "shell", "where", "stdin", "env", "folder", "allow_dashes"})) return command;
  command.on_host = fields_.one_of(node, "where", {"sandbox", "host"}).value_or("sandbox") == "host";
  command.dashes = fields_.boolean(node, "allow_dashes").value_or(false);
  command.shell = fields_.text(node, "shell").value_or("");
  if (const YamlNode* argv = node.find("argv")) read_argv(*argv, command);
  if (command.shell.empty() == (node.find("argv") == nullptr)) {
    fields_.problem(node.place, std::string("found ") + (command.shell.empty() ? "neither" : "both") + " of 'argv' and 'shell' in 'command', expected one of them");
  }
  if (const YamlNode* input = node.find("stdin")) read_input(*input, command);
  read_environment(node, command);
  command.folder = fields_.text(node, "folder").value_or("");
  if (command.on_host && !command.folder.empty()) command.folder = std::filesystem::absolute(folder_ / command.folder);
  if (!command.on_host && !names_.secrets.empty()) {
    fields_.problem(node.place, "found a secret in a command of the sandbox, where a model's own code runs too, expected 'where: host'");
  }
  return command;
}

void CallReader::read_argv(const YamlNode& node, CommandCall& command) {
  if (node.kind != Kind::kList || node.items.empty()) {
    return fields_.problem(node.place, "found " + node.found() + " for 'argv', expected a list: the program and its arguments");
  }
  for (const YamlNode& item : node.items) {
    CommandCall::Words words;
    if (item.kind == Kind::kList) {
      for (const YamlNode& word : item.items) words.words.push_back(read_template(word));
    } else {
      words.words.push_back(read_template(item));
    }
    command.argv.push_back(std::move(words));
  }
  const YamlNode& program = node.items[0];
  const bool literal = program.kind == Kind::kScalar && command.argv[0].words[0].pieces().size() == 1 &&
                       command.argv[0].words[0].pieces()[0].kind == Piece::Kind::kText;
  if (!literal) return fields_.problem(program.place, "found " + program.found() + " as the program, expected its name or path: no argument chooses it");
  const std::string& name = command.argv[0].words[0].pieces()[0].text;
  if (!command.on_host && name.find('=') != std::string::npos) return fields_.problem(program.place, "found a '=' in the program's name, expected none");
  // A program that comes with the file.
  if (!command.on_host || name.find('/') == std::string::npos || name[0] == '/') return;
  const std::string whole = std::filesystem::absolute(folder_ / name).string();
  std::string escaped;
  for (const char c : whole) escaped += c == '{' || c == '}' ? std::string(2, c) : std::string(1, c);
  if (Result<TextTemplate> path = TextTemplate::parse(escaped)) command.argv[0].words[0] = std::move(*path);
}

void CallReader::read_input(const YamlNode& node, CommandCall& command) {
  if (node.is_text() && node.text == "json") {
    command.input = CommandCall::Input::kJson;
  } else if (node.kind == Kind::kMap && fields_.mapping(node, "'stdin'", {"text"}) && node.find("text") != nullptr) {
    command.input = CommandCall::Input::kText;
    command.input_text = read_template(*node.find("text"));
  } else if (node.kind != Kind::kMap) {
    fields_.problem(node.place, "found " + node.found() + " for 'stdin', expected json (all arguments as one object) or {text: ...}");
  }
}

void CallReader::read_environment(const YamlNode& node, CommandCall& command) {
  command.environment = read_templates(node, "env");
  for (const auto& [name, text] : command.environment) {
    if (!is_variable_name(name)) fields_.problem(node.find("env")->place, "found the variable name '" + name + "', expected letters, digits and _");
  }
}

}  // namespace toccata::toolfile
