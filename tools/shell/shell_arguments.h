#pragma once

#include <chrono>
#include <string_view>

#include "core/base/error.h"
#include "sandbox/sandbox.h"

namespace toccata::tools {

struct ShellArguments {
  sandbox::Command command;
  std::chrono::milliseconds timeout{0};  // 0 = not given
};

// What a call to the shell asks for: {"command": TEXT or [PROGRAM, ARGUMENT...], "workdir"?, "timeout_ms"?}. Text is run
// by bash, an array as it stands. Models also write, and these are taken: "cmd" for "command", "timeout" for
// "timeout_ms", and an array of one text with blanks, which is text. The error tells the model what is wrong.
Result<ShellArguments> parse_shell_arguments(std::string_view body);

}  // namespace toccata::tools
