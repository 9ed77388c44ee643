"""Real clients against `toccata serve`; run by clients_test.py in the environment it made. One line a check."""

import asyncio
import json
import sys

import agents
import anthropic
import openai

from program import Program
from search_test import Web
from live_server import ASK, CALL, COLD, HELLO, WEATHER, Server


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


def agents_run(program, n_calls, streamed, api="chat"):
    """An agent with one tool; every step reads only what is new."""
    server = Server(program, "-m", program.script(*[CALL] * n_calls, COLD))

    @agents.function_tool
    def get_weather(city: str) -> str:
        """Weather of a city"""
        return f"-5 in {city}"

    agents.set_tracing_disabled(True)
    kind = agents.OpenAIChatCompletionsModel if api == "chat" else agents.OpenAIResponsesModel

    async def go():
        async with client(server, openai.AsyncOpenAI) as open_client:
            return await run(agents.Agent(name="a", model=kind(model="m", openai_client=open_client), tools=[get_weather]))

    async def run(agent):
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


WEATHER_FLAT = {"type": "function", **WEATHER["function"]}


def responses(program):
    server = Server(program, "-m", program.script(HELLO))
    api = client(server)
    response = api.responses.create(model="m", input="Hi", instructions="Be brief.", metadata={"a": "b"})
    assert response.output_text == "Hello, world!" and response.status == "completed", response
    assert response.output[0].content[0].text == "They greet me."
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert api.responses.retrieve(response.id).output_text == "Hello, world!"
    assert api.responses.input_items.list(response.id).data[0].content[0].text == "Hi"
    counted = api.responses.input_tokens.count(model="m", input="Hi", instructions="Be brief.")
    assert counted.input_tokens == response.usage.input_tokens
    api.responses.delete(response.id)
    try:
        api.responses.retrieve(response.id)
        raise AssertionError("still there")
    except openai.NotFoundError:
        pass
    server.close()


def responses_stream(program):
    """The typed events, and the helper that gathers them."""
    server = Server(program, "-m", program.script(HELLO))
    api = client(server)
    events = list(api.responses.create(model="m", input="Hi", stream=True))
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert all(type(e).__name__.startswith("Response") for e in events), events
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == "Hello, world!"
    assert "".join(e.delta for e in events if e.type == "response.reasoning_text.delta") == "They greet me."
    with api.responses.stream(model="m", input="Hi") as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == "Hello, world!"
    server.close()


def responses_tools(program):
    for by_id in (False, True):
        server = Server(program, "-m", program.script(CALL, COLD))
        api = client(server)
        first = api.responses.create(model="m", input=ASK, tools=[WEATHER_FLAT, {"type": "web_search"}])
        call = first.output[-1]
        assert (call.type, json.loads(call.arguments)) == ("function_call", {"city": "Oslo"})
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "-5"}
        more = {"previous_response_id": first.id, "input": [result]} if by_id else {"input": [*ASK, *first.output, result]}
        second = api.responses.create(model="m", tools=[WEATHER_FLAT, {"type": "web_search"}], **more)
        assert second.output_text == "It is cold."
        assert second.usage.input_tokens_details.cached_tokens == first.usage.total_tokens
        server.close()


def says(recipient: str, text: str) -> str:
    return f"<|channel|>analysis to={recipient} code<|message|>{text}<|call|>"


def responses_built_in(program):
    """Tools that the server runs: typed events, the gathered object, and the same conversation gone on with."""
    web = Web()
    script = [says("browser.search", '{"query": "tides"}'), says("browser.open", '{"id": 0}'), says("python", "x = 745\nprint(x)"),
              "<|channel|>final<|message|>Every 12 hours【1†L2】.<|return|>", says("python", "print(x + 1)"), COLD]
    server = Server(program, "-m", program.script(*script), "--api-tools", "--tools", "python,browser",
                    "--search", f"searxng={web.url}/", "--allow-origin", web.url)
    api = client(server)
    fields = {"model": "m", "tools": [{"type": "web_search"}, {"type": "code_interpreter", "container": {"type": "auto"}}],
              "include": ["code_interpreter_call.outputs", "web_search_call.action.sources"]}
    with api.responses.stream(input="When?", **fields) as stream:
        kinds = {type(e).__name__ for e in stream}
        first = stream.get_final_response()
    assert {"ResponseWebSearchCallSearchingEvent", "ResponseCodeInterpreterCallInterpretingEvent", "ResponseCodeInterpreterCallCodeDeltaEvent",
            "ResponseOutputTextAnnotationAddedEvent"} <= kinds, kinds
    search, opened, ran, message = first.output
    assert (search.action.type, search.action.query, search.action.sources[0].url) == ("search", "tides", web.url + "/tides"), search
    assert (opened.action.type, opened.action.url) == ("open_page", web.url + "/tides"), opened
    assert (ran.type, ran.code, ran.outputs[0].logs) == ("code_interpreter_call", "x = 745\nprint(x)", "745"), ran
    cited = message.content[0].annotations[0]
    assert (cited.type, cited.url) == ("url_citation", web.url + "/tides") and web.url in first.output_text[cited.start_index:cited.end_index]
    # What was read is valid by the types' own rules.
    type(first).model_validate(first.model_dump())
    second = api.responses.create(input=[{"role": "user", "content": "When?"}, *first.output, {"role": "user", "content": "More"}], **fields)
    assert second.output[0].outputs[0].logs == "746" and second.output[0].container_id == ran.container_id, second.output
    assert second.usage.input_tokens_details.cached_tokens > first.usage.input_tokens_details.cached_tokens / 4
    chat = api.chat.completions.create(model="m", messages=ASK, web_search_options={})
    assert chat.choices[0].message.annotations[0].url_citation.url == web.url + "/tides"
    server.close()
    web.close()


def agents_built_in(program, streamed):
    """An agent whose code and searches run in the server, beside a function of its own."""
    script = [says("python", "print(40)"), CALL, says("python", "print(42)"), COLD]
    server = Server(program, "-m", program.script(*script), "--api-tools", "--tools", "python,browser")

    @agents.function_tool
    def get_weather(city: str) -> str:
        """Weather of a city"""
        return f"-5 in {city}"

    agents.set_tracing_disabled(True)
    code = agents.CodeInterpreterTool(tool_config={"type": "code_interpreter", "container": {"type": "auto"}})

    async def go():
        async with client(server, openai.AsyncOpenAI) as api:
            model = agents.OpenAIResponsesModel(model="m", openai_client=api)
            agent = agents.Agent(name="a", model=model, tools=[code, agents.WebSearchTool(), get_weather])
            if not streamed:
                return await agents.Runner.run(agent, "Weather?")
            result = agents.Runner.run_streamed(agent, "Weather?")
            async for _ in result.stream_events():
                pass
            return result

    result = asyncio.run(go())
    assert result.final_output == "It is cold."
    kinds = [item.raw_item.type for item in result.new_items if item.type == "tool_call_item"]
    assert kinds == ["code_interpreter_call", "function_call", "code_interpreter_call"], kinds
    first, second = (r.usage for r in result.raw_responses)
    assert second.input_tokens_details.cached_tokens > first.input_tokens, (first, second)
    server.close()


def parsed_answers(program):
    """Both parse() helpers ask for a strict schema, which the masks keep whatever nano would say."""
    import pydantic

    class Mood(pydantic.BaseModel):
        polite: bool

    server = Server(program, "-m", "nano")
    api = client(server)
    assert isinstance(api.responses.parse(model="m", input="Hi", text_format=Mood, temperature=0).output_parsed, Mood)
    message = api.chat.completions.parse(model="m", messages=ASK, response_format=Mood, temperature=0).choices[0].message
    assert isinstance(message.parsed, Mood)
    server.close()


def responses_background(program):
    server = Server(program, "-m", program.script(HELLO))
    api = client(server)
    response = api.responses.create(model="m", input="Hi", background=True)
    for _ in api.responses.retrieve(response.id, stream=True):
        pass
    assert api.responses.retrieve(response.id).output_text == "Hello, world!"
    assert api.responses.cancel(response.id).status == "completed"
    server.close()


def anthropic_client(server):
    return anthropic.Anthropic(base_url=f"http://127.0.0.1:{server.port}", api_key="none", max_retries=0)


def anthropic_messages(program):
    server = Server(program, "-m", program.script(HELLO))
    api = anthropic_client(server)
    fields = {"model": "m", "messages": ASK, "system": "Be brief."}
    message = api.messages.create(max_tokens=100, thinking={"type": "enabled", "budget_tokens": 8000}, **fields)
    assert [b.type for b in message.content] == ["thinking", "text"], message
    assert (message.content[0].thinking, message.content[1].text) == ("They greet me.", "Hello, world!")
    assert message.stop_reason == "end_turn"
    assert api.messages.count_tokens(**fields).input_tokens == message.usage.input_tokens
    try:
        api.messages.create(max_tokens=100, model="m", messages=[])
        raise AssertionError("no error for no messages")
    except anthropic.BadRequestError as error:
        assert error.body["error"]["type"] == "invalid_request_error"
    server.close()


def anthropic_tools(program, streamed):
    server = Server(program, "-m", program.script(CALL, COLD))
    api = anthropic_client(server)
    tool = {"name": "get_weather", "input_schema": WEATHER["function"]["parameters"]}

    def step(messages):
        fields = {"model": "m", "max_tokens": 100, "messages": messages, "tools": [tool]}
        if not streamed:
            return api.messages.create(**fields)
        with api.messages.stream(**fields) as stream:
            return stream.get_final_message()

    first = step(ASK)
    call = first.content[-1]
    assert (first.stop_reason, call.name, call.input) == ("tool_use", "get_weather", {"city": "Oslo"}), first
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "-5"}
    second = step([*ASK, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}])
    assert second.content[0].text == "It is cold."
    assert second.usage.cache_read_input_tokens == first.usage.input_tokens + first.usage.output_tokens, second.usage
    server.close()


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
    "anthropic messages": anthropic_messages,
    "anthropic messages, tools": lambda p: anthropic_tools(p, streamed=False),
    "anthropic messages, tools, streaming": lambda p: anthropic_tools(p, streamed=True),
    "openai responses, stored": responses,
    "openai responses, streaming": responses_stream,
    "openai responses, tools": responses_tools,
    "openai responses, background": responses_background,
    "openai responses and chat, tools of the server": responses_built_in,
    "openai-agents responses, tools of the server": lambda p: agents_built_in(p, streamed=False),
    "openai-agents responses, tools of the server, streaming": lambda p: agents_built_in(p, streamed=True),
    "openai responses.parse(), chat.completions.parse()": parsed_answers,
    "openai-agents responses, tool": lambda p: agents_run(p, 1, streamed=False, api="responses"),
    "openai-agents responses, tool, streaming": lambda p: agents_run(p, 1, streamed=True, api="responses"),
    "openai-agents responses, 50 steps": lambda p: agents_run(p, 49, streamed=False, api="responses"),
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
