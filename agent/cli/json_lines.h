// The frame of the `toccata dev` machine interfaces: one JSON request a line in, one `{"id", "result"}` a line out.
#pragma once

#include <functional>
#include <iosfwd>
#include <nlohmann/json_fwd.hpp>

namespace toccata::cli {

// Calls `handle` with each request object and writes its result under the request's id, flushing after each line.
// A line that is not a JSON object, and anything thrown by `handle`, becomes `{"error": text}`: one bad line never
// ends the stream. Key order is kept both ways. Returns 0 at the end of input.
int serve_json_lines(
    std::istream& in,
    std::ostream& out,
    const std::function<nlohmann::ordered_json(const nlohmann::ordered_json&)>& handle
);

}  // namespace toccata::cli
