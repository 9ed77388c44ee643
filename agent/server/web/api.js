// The server's API: the key, errors in words, and server-sent events.

const kKey = "toccata.key";

export class ApiFailure extends Error {
  // `status` 0: no answer at all.
  constructor(status, message, code = "") {
    super(message);
    this.status = status;
    this.code = code;
  }
}

// The key lives as long as the tab.
export const getKey = () => sessionStorage.getItem(kKey) ?? "";
export const setKey = (key) => sessionStorage.setItem(kKey, key);

let askForKey = async () => false;
// `ask` shows the form; resolves to true when a key was given.
export const onKeyNeeded = (ask) => (askForKey = ask);

// The answer of a 2xx; anything else throws ApiFailure. Asks for a key, once, when the server wants one.
export async function request(path, { method = "GET", body, signal } = {}) {
  for (let attempt = 0; ; ++attempt) {
    const answer = await send(path, method, body, signal);
    if (answer.ok) return answer;
    if (answer.status === 401 && attempt < 3 && (await askForKey(attempt > 0))) continue;
    throw await failureOf(answer);
  }
}

async function send(path, method, body, signal) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (getKey()) headers["Authorization"] = `Bearer ${getKey()}`;
  try {
    return await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiFailure(0, "The server does not answer. Is toccata serve still running?");
  }
}

async function failureOf(answer) {
  let message = `${answer.status} ${answer.statusText}`;
  let code = "";
  try {
    const { error } = await answer.json();
    message = error.message ?? message;
    code = error.code ?? error.type ?? "";
  } catch {
    // Not ours: a proxy's page, say.
  }
  return new ApiFailure(answer.status, message, code);
}

export const getJson = async (path, signal) => (await request(path, { signal })).json();

// The data of each event as it comes; ends at "[DONE]" or with the stream. Throws ApiFailure when it breaks.
export async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      buffer += value;
      for (let end; (end = buffer.indexOf("\n\n")) >= 0; buffer = buffer.slice(end + 2)) {
        const data = buffer.slice(0, end).split("\n").filter((l) => l.startsWith("data: ")).map((l) => l.slice(6)).join("\n");
        if (data === "[DONE]") return;
        if (data !== "") yield JSON.parse(data);
      }
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiFailure(0, "The connection broke while the answer was being written.");
  } finally {
    reader.cancel().catch(() => {});
  }
}
