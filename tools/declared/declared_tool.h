// A declared function as a tool.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sandbox/session_slot.h"
#include "tools/declared/definition.h"
#include "tools/secrets/secrets.h"
#include "tools/tool.h"
#include "tools/web/proxy.h"

namespace toccata::tools::declared {

// What all declared functions of a run share.
struct Surroundings {
  std::shared_ptr<Secrets> secrets;
  std::shared_ptr<sandbox::SessionSlot> slot;    // null without commands in the sandbox
  std::vector<std::string> environment = {};     // of programs on the host: "NAME=value"
  ProxyRules proxy = {};
};

// Arguments that break the schema, and those that cannot stand in their places, are told to the model and nothing is called. What it
// gives holds no secret's value. The definition's time limit holds, the spec's is a backstop. The definition's secrets were declared.
std::unique_ptr<Tool> make_tool(Definition definition, Surroundings surroundings);

}  // namespace toccata::tools::declared
