"""The harmony texts and message shapes nano is trained on (standard library only).

A conversation is a list of segments `(text, trained)`: the text may contain the
harmony specials by name, `trained` says whether the loss counts on its tokens.
"""

SPECIALS = ["<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>",
            "<|return|>", "<|call|>"]

IDENTITY = ("You are ChatGPT, a large language model trained by OpenAI.\n"
            "Knowledge cutoff: 2024-06\nCurrent date: ")
REASONING = "\n\nReasoning: "
TOOLS = "\n\n# Tools\n\n"
CHANNELS = ("\n\n# Valid channels: analysis, commentary, final. "
            "Channel must be included for every message.")
INSTRUCTIONS = "# Instructions\n\n"
WARN_EMPTY = ("[WARN] No output available. Use print() to output anything to stdout "
              "to receive the output")
TRACEBACK = "Traceback (most recent call last):\n"

PYTHON_TOOL = """## python

Use this tool to execute Python code in your chain of thought. The code will not be shown to the user. This tool should be used for internal reasoning, but not for code that is intended to be visible to the user (e.g. when creating plots, tables, or files).

When you send a message containing Python code to python, it will be executed in a stateful Jupyter notebook environment. python will respond with the output of the execution or time out after 120.0 seconds. The drive at '/mnt/data' can be used to save and persist user files. Internet access for this session is UNKNOWN. Depends on the cluster."""

BROWSER_TOOL = """## browser

// Tool for browsing.
// The `cursor` appears in brackets before each browsing display: `[{cursor}]`.
// Cite information from the tool using the following format:
// `【{cursor}†L{line_start}(-L{line_end})?】`, for example: `【6†L9-L11】` or `【8†L3】`.
// Do not quote more than 10 words directly from the tool output.
// sources=web (default: web)
namespace browser {

// Searches for information related to `query` and displays `topn` results.
type search = (_: {
query: string,
topn?: number, // default: 10
source?: string,
}) => any;

// Opens the link `id` from the page indicated by `cursor` starting at line number `loc`, showing `num_lines` lines.
// Valid link ids are displayed with the formatting: `【{id}†.*】`.
// If `cursor` is not provided, the most recent page is implied.
// If `id` is a string, it is treated as a fully qualified URL associated with `source`.
// If `loc` is not provided, the viewport will be positioned at the beginning of the document or centered on the most relevant passage, if available.
// Use this function without `id` to scroll to a new location of an opened page.
type open = (_: {
id?: number | string, // default: -1
cursor?: number, // default: -1
loc?: number, // default: -1
num_lines?: number, // default: -1
view_source?: boolean, // default: false
source?: string,
}) => any;

// Finds exact matches of `pattern` in the current page, or the page given by `cursor`.
type find = (_: {
pattern: string,
cursor?: number, // default: -1
}) => any;

} // namespace browser"""

# Boilerplate that is one token each: matched literally before the pre-split.
PHRASES = [IDENTITY, REASONING, TOOLS, PYTHON_TOOL, BROWSER_TOOL + "\n\n", BROWSER_TOOL,
           CHANNELS, INSTRUCTIONS, WARN_EMPTY, TRACEBACK, '  File "<cell ',
           '>", line 1, in <module>\n    ', " to=python", " to=assistant"]

CALL_HEADER = "<|channel|>analysis to=python code<|message|>"
ANALYSIS_HEADER = "<|channel|>analysis<|message|>"
FINAL_HEADER = "<|channel|>final<|message|>"


def system_message(date: str, effort: str, tools: tuple[str, ...]) -> str:
    """The system message for a date, a reasoning effort and the present tools."""
    text = IDENTITY + date + REASONING + effort
    sections = [t for n, t in (("browser", BROWSER_TOOL), ("python", PYTHON_TOOL)) if n in tools]
    if sections:
        text += TOOLS + "\n\n".join(sections)
    return f"<|start|>system<|message|>{text}{CHANNELS}<|end|>"


def developer_message(instructions: str) -> str:
    """A developer message that holds instructions only."""
    return f"<|start|>developer<|message|>{INSTRUCTIONS}{instructions}<|end|>"


def user_message(text: str) -> str:
    """A user message followed by the opening of the assistant's answer."""
    return f"<|start|>user<|message|>{text}<|end|><|start|>assistant"


def tool_result(output: str) -> str:
    """What python answered, followed by the opening of the assistant's next message."""
    return (f"<|start|>python to=assistant<|channel|>analysis<|message|>{output}<|end|>"
            "<|start|>assistant")
