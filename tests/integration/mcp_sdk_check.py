#!/usr/bin/env python3
"""The client of the Python SDK against `toccata mcp serve`: stdio and HTTP, both eras. Run by scripts/mcp_conformance,
whose virtual environment has the SDK."""

import asyncio
import re
import subprocess
import sys

from mcp import Client
from mcp.client.stdio import StdioServerParameters
from program import TOCCATA, Program

ADD = "<|channel|>analysis<|message|>Compute.<|end|><|start|>assistant<|channel|>analysis to=python code<|message|>print(6*7)<|call|>"
FINAL = "<|channel|>final<|message|>It is 42.<|return|>"
PICTURE = (
    "import base64; open('dot.png','wb').write(base64.b64decode("
    "'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='))"
)


async def check(server, mode: str, run: bool) -> None:
    async with Client(server, mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert {"python", "shell", "files_read", "run"} <= set(tools), tools
        assert tools["files_read"].annotations.read_only_hint
        assert "4950" in (await client.call_tool("python", {"code": "sum(range(100))"})).content[0].text
        assert (await client.call_tool("python", {"code": "1/0"})).is_error
        made = await client.call_tool("python", {"code": PICTURE})
        assert [block.mime_type for block in made.content if block.type == "image"] == ["image/png"], made
        resources = (await client.list_resources()).resources
        assert any(r.name == "dot.png" for r in resources), resources
        contents = (await client.read_resource(resources[0].uri)).contents
        assert contents[0].mime_type == "image/png", contents
        if run:
            told = []

            async def on_progress(progress, total, message):
                told.append(message)

            answer = await client.call_tool("run", {"prompt": "6*7?"}, progress_callback=on_progress)
            assert answer.content[0].text == "It is 42.", answer
            assert answer.structured_content["terminal_reason"] == "final"
            assert "runs: print(6*7)" in told, told
        # A cancelled call must not be in the way of the next one.
        try:
            await asyncio.wait_for(client.call_tool("python", {"code": "import time; time.sleep(600)"}), 1)
            raise AssertionError("it slept through")
        except asyncio.TimeoutError:
            pass
        assert "42" in (await client.call_tool("python", {"code": "6*7"})).content[0].text


def main() -> int:
    failures = 0
    for mode in ("auto", "legacy"):
        with Program() as program:
            args = ["mcp", "serve", "--tools", "python,shell,files,run", "-m", program.script(ADD, FINAL)]
            stdio = StdioServerParameters(command=TOCCATA, args=args, env=program.env, cwd=program.home)
            process = program.start(*args, "--listen", "127.0.0.1:0", stderr=subprocess.PIPE, text=True)
            url = next(found[1] for line in process.stderr if (found := re.search(r"MCP at (\S+)", line)))
            for name, server in (("stdio", stdio), ("http", url)):
                try:
                    asyncio.run(check(server, mode, run=True))
                    print(f"passed  python sdk, {name}, {mode}", flush=True)
                except BaseException as error:  # groups of the SDK's tasks among them
                    failures += 1
                    print(f"FAILED  python sdk, {name}, {mode}: {error!r}", flush=True)
            process.terminate()
            process.stderr.close()
            failures += process.wait(30) != 0
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
