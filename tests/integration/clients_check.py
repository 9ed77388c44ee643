"""Real clients against `toccata serve`; run by clients_test.py in the environment it made. One line a check."""

import asyncio
import json
import sys

import agents
import openai

from program import Program
from server_test import ASK, CALL, COLD, HELLO, WEATHER, Server


def client(server, kind=openai.OpenAI):
    return kind(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0)


def chat(program):
    server = Server(program, "-m", program.script(HELLO))
    message = client(server).chat.completions.create(model="m", messages=ASK).choices[0].message
    assert (message.content, message.reasoning) == ("Hello, world!", "They greet me."), message
    server.close()


def chat_stream(program):
    server = Server(program, "-m", program.script(HELLO))
    text, reasoning, usage = "", "", None
    for chunk in client(server).chat.completions.create(
        model="m", messages=ASK, stream=True, stream_options={"include_usage": True}
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reasoning += getattr(choice.delta, "reasoning", None) or ""
    assert (text, reasoning) == ("Hello, world!", "They greet me.") and usage.total_tokens > 0
    server.close()


def chat_tools(program):
    server = Server(program, "-m", program.script(CALL, COLD))
    api = client(server)
    message = api.chat.completions.create(model="m", messages=ASK, tools=[WEATHER]).choices[0].message
    call = message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"city": "Oslo"}
    history = [*ASK, message, {"role": "tool", "tool_call_id": call.id, "content": "-5"}]
    second = api.chat.completions.create(model="m", messages=history, tools=[WEATHER])
    assert second.choices[0].message.content == "It is cold."
    assert second.usage.prompt_tokens_details.cached_tokens > 0
    server.close()


def chat_stream_helper(program):
    """The helper that gathers events rebuilds the call from its deltas."""
    server = Server(program, "-m", program.script(CALL))
    with client(server).chat.completions.stream(model="m", messages=ASK, tools=[WEATHER]) as stream:
        for _ in stream:
            pass
        call = stream.get_final_completion().choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Oslo"}')
    server.close()


def errors(program):
    server = Server(program, "-m", program.script(HELLO), "--api-key", "secret")
    try:
        client(server).models.list()
        raise AssertionError("no error without a key")
    except openai.AuthenticationError as error:
        assert error.code == "invalid_api_key" and error.request_id
    keyed = openai.OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="secret", max_retries=0)
    assert keyed.models.list().data[0].object == "model"
    try:
        keyed.chat.completions.create(model="m", messages=[])
    except openai.BadRequestError:
        pass
    server.close()


def completions(program):
    server = Server(program, "-m", "nano")
    choice = client(server).completions.create(model="m", prompt=[1, 2, 3], max_tokens=4).choices[0]
    assert choice.finish_reason in ("length", "stop")
    server.close()


def agents_run(program, n_calls, streamed):
    """An agent with one tool, over Chat Completions; every step reads only what is new."""
    server = Server(program, "-m", program.script(*[CALL] * n_calls, COLD))

    @agents.function_tool
    def get_weather(city: str) -> str:
        """Weather of a city"""
        return f"-5 in {city}"

    agents.set_tracing_disabled(True)
    model = agents.OpenAIChatCompletionsModel(model="m", openai_client=client(server, openai.AsyncOpenAI))
    agent = agents.Agent(name="a", model=model, tools=[get_weather])

    async def go():
        if not streamed:
            result = await agents.Runner.run(agent, "Weather?", max_turns=n_calls + 2)
            usages = [r.usage for r in result.raw_responses]
            for before, after in zip(usages, usages[1:], strict=False):
                assert after.input_tokens_details.cached_tokens == before.input_tokens + before.output_tokens
            return result.final_output
        result = agents.Runner.run_streamed(agent, "Weather?", max_turns=n_calls + 2)
        async for _ in result.stream_events():
            pass
        return result.final_output

    assert asyncio.run(go()) == "It is cold."
    prompt, cached, output = (
        server.metric(f"toccata_{name}_tokens_total") for name in ("prompt", "cached", "output")
    )
    server.close()
    return f"{n_calls + 1} steps, {prompt:.0f} prompt tokens, {prompt - cached:.0f} of them read, {output:.0f} sampled"


CHECKS = {
    "openai chat": chat,
    "openai chat, streaming": chat_stream,
    "openai chat, tools": chat_tools,
    "openai chat.completions.stream()": chat_stream_helper,
    "openai errors, models": errors,
    "openai completions, token ids": completions,
    "openai-agents chat, tool": lambda p: agents_run(p, 1, streamed=False),
    "openai-agents chat, tool, streaming": lambda p: agents_run(p, 1, streamed=True),
    "openai-agents chat, 50 steps": lambda p: agents_run(p, 49, streamed=False),
}


def main() -> int:
    failed = 0
    for name, check in CHECKS.items():
        with Program() as program:
            try:
                print(f"ok      {name}", check(program) or "", flush=True)
            except Exception as error:  # each check stands for itself
                failed += 1
                print(f"FAILED  {name}: {type(error).__name__}: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
