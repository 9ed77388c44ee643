// A program of the user's that says which of several answers is best.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/loop/best_of.h"

namespace toccata::cli {

// Runs `command` in the shell, in the user's place and not in the sandbox. On its standard input one JSON object, {"task":
// "...", "candidates": [{"number": 1, "answer": "...", "run": "..."}, ...]}; the first word that it prints is the number of
// the best. kUnavailable: it could not be started, failed, printed no number, or took longer than `timeout`.
Result<int> ask_program(
    const std::string& command,
    const std::string& task,
    const std::vector<agent::Candidate>& candidates,
    std::chrono::milliseconds timeout = std::chrono::minutes(10)
);

}  // namespace toccata::cli
