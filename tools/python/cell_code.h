#pragma once

#include <string>
#include <string_view>

namespace toccata::tools {

// The Python source a model meant. The body of a call to python is raw source; models also write, and these are undone:
//   {"code": "..."}            a JSON object whose only member is a string, whatever its name
//   ```python ... ```          one fenced block that is the whole body (also ```py, ``` alone)
// Anything else, valid Python or not, is passed on as it is: the interpreter's own error tells the model most.
std::string cell_code(std::string_view body);

}  // namespace toccata::tools
