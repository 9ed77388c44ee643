// Fields that several protocols share. Only for the .cpp files of this folder.
#pragma once

#include <string>
#include <vector>

#include "agent/server/json_fields.h"
#include "agent/server/penalties.h"
#include "agent/server/services.h"

namespace toccata::server {

// temperature, top_p, top_k, min_p, typical_p, seed and logit_bias over the server's defaults.
SamplingParams read_sampling(const Json& body, const Services& services);
// "stop": a string or an array of strings, none of them empty; at most 16.
// presence_penalty, frequency_penalty, repetition_penalty.
Penalties read_penalties(const Json& body, const Services& services);
// How many likeliest tokens a request wants beside each; 0 to 20.
int read_n_top(const Json& body, const char* key, const Services& services);

std::vector<std::string> read_stop(const Json& body, const char* key = "stop");
// "minimal" and "none" count as low, "xhigh" as high.
harmony::ReasoningEffort read_effort(const std::string& name, const char* param);
// 404 under --strict-model for another model than the served one.
void check_model(const Json& body, const Services& services);
// A string, or parts with "text" (text, input_text, output_text ...) joined. Images and files are refused by name.
std::string read_text(const Json* content, const char* param);
// {"name", "description"?, `schema_key`?}; ApiError for a bad name.
harmony::ToolDescription read_function(const Json& function, const char* schema_key, const char* param);

}  // namespace toccata::server
