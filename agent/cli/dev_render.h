#pragma once

#include <iosfwd>

namespace toccata::cli {

struct DevRenderOptions {};

// {"id", "mode": "completion|conversation|training|message", "conversation": {"messages"}, "message", "next_role",
//  "config": {"auto_drop_analysis"}, "render_options": {"conversation_has_function_tools"}}
// -> {"text", "tokens"} | {"error"}: ids of o200k_harmony, as openai-harmony 0.0.8 renders.
int dev_render(const DevRenderOptions& options, std::istream& in, std::ostream& out);

}  // namespace toccata::cli
