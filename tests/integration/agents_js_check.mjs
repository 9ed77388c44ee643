// Agents of OpenAI's JavaScript SDK against servers whose models are scripted: agents_js_test.py starts both.
//   node agents_js_check.mjs FOLDER_WITH_NODE_MODULES < cases > results, a JSON object a line
//   case   {base_url, tool_name, input, parameters, expected, answer, forced}; forced: the model has to call, with what
//          arguments is its own affair as long as they are valid
//   result {tool_name, mode, wrong, cut}: what did not hold, or nothing; cut: a forced call did not end within 400 tokens
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";
import { createInterface } from "node:readline";

const load = createRequire(`${process.argv[2]}/package.json`);
const agents = load("@openai/agents");
const { OpenAI } = load("openai");
const { Ajv } = load("ajv");
agents.setTracingDisabled(true);

const isText = (value) => typeof value === "string" && value.length > 0;
const isReasoning = (item) =>
  item.type === "reasoning" && item.content.length > 0 && item.content.every((part) => part.type === "reasoning_text" && isText(part.text));

// What the server sent besides calls: its reasoning, where OpenAI's guide for gpt-oss wants it.
function hasReasoning(api, events, responses) {
  if (events && api === "chat") return events.some((event) => isText(event.choices?.[0]?.delta?.reasoning));
  if (events) return ["delta", "done"].every((end) => events.some((event) => event.type === `response.reasoning_text.${end}`));
  if (api === "chat") return responses.some((response) => isText(response.providerData.choices[0].message.reasoning));
  return responses[0].providerData.output.some(isReasoning);
}

async function run(task, api, streamed) {
  const client = new OpenAI({ apiKey: "none", baseURL: task.base_url, maxRetries: 0 });
  const Model = api === "chat" ? agents.OpenAIChatCompletionsModel : agents.OpenAIResponsesModel;
  const tool = agents.tool({
    name: task.tool_name, description: "As it is called.", parameters: task.parameters, strict: false, execute: async () => '{"status":"ok"}',
  });
  const runner = new agents.Runner({ model: new Model(client, "m"), tracingDisabled: true });
  const modelSettings = task.forced ? { toolChoice: "required", maxTokens: 400 } : {};
  const agent = new agents.Agent({ name: task.tool_name, tools: [tool], modelSettings });
  const result = await runner.run(agent, task.input, { maxTurns: 10, stream: streamed });
  let events;
  if (streamed) {
    events = [];
    for await (const event of result) {
      if (event.type === "raw_model_stream_event" && event.data.type === "model") events.push(event.data.event);
    }
    await result.completed;
  }
  const calls = result.newItems.filter((item) => item.type === "tool_call_item" && item.rawItem.name === task.tool_name);
  const given = calls.map((call) => JSON.parse(call.rawItem.arguments));
  const valid = new Ajv().compile(task.parameters);
  const wrong = [];
  if (task.forced ? calls.length === 0 : calls.length !== 1) wrong.push(`${calls.length} calls`);
  if (!given.every((one) => valid(one))) wrong.push("arguments against the schema");
  if (task.forced) return wrong;
  if (!given.every((one) => isDeepStrictEqual(one, task.expected))) wrong.push(`arguments ${JSON.stringify(given)}`);
  if (!hasReasoning(api, events, result.rawResponses)) wrong.push("no reasoning");
  if (result.finalOutput !== task.answer) wrong.push(`answer ${result.finalOutput}`);
  return wrong;
}

for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  for (const [api, streamed] of [["responses", false], ["responses", true], ["chat", false], ["chat", true]]) {
    let wrong = await run(task, api, streamed).catch((error) => [String(error)]);
    // The SDK knows no call that was cut off at the limit of tokens: it reads half of one.
    const cut = Boolean(task.forced) && wrong.some((w) => /Unterminated string in JSON|did not produce a final response/.test(w));
    if (cut) wrong = [];
    console.log(JSON.stringify({ tool_name: task.tool_name, mode: api + (streamed ? ", streaming" : "") + (task.forced ? ", forced on nano" : ""), wrong, cut }));
  }
}
