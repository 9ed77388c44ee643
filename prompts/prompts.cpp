#include "prompts/prompts.h"

extern "C" const unsigned char prompt_python_tool_begin[], prompt_python_tool_end[];
extern "C" const unsigned char prompt_files_tool_begin[], prompt_files_tool_end[];
extern "C" const unsigned char prompt_shell_tool_begin[], prompt_shell_tool_end[];
extern "C" const unsigned char prompt_shown_folders_begin[], prompt_shown_folders_end[];
extern "C" const unsigned char prompt_allowed_hosts_begin[], prompt_allowed_hosts_end[];
extern "C" const unsigned char prompt_browser_tool_begin[], prompt_browser_tool_end[];

namespace toccata::prompts {
namespace {

// A prompt file ends in one newline that is not part of the prompt.
std::string_view text(const unsigned char* begin, const unsigned char* end) {
  std::string_view view(
      reinterpret_cast<const char*>(begin), static_cast<std::size_t>(end - begin)
  );
  if (view.ends_with('\n')) view.remove_suffix(1);
  return view;
}

}  // namespace

std::string_view python_tool() { return text(prompt_python_tool_begin, prompt_python_tool_end); }
std::string_view browser_tool_json() {
  return text(prompt_browser_tool_begin, prompt_browser_tool_end);
}
std::string_view shell_tool() { return text(prompt_shell_tool_begin, prompt_shell_tool_end); }
std::string_view shown_folders() { return text(prompt_shown_folders_begin, prompt_shown_folders_end); }
std::string_view allowed_hosts() { return text(prompt_allowed_hosts_begin, prompt_allowed_hosts_end); }
std::string_view files_tool() { return text(prompt_files_tool_begin, prompt_files_tool_end); }

}  // namespace toccata::prompts
