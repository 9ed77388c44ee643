// The page: views by the address behind '#', the theme, and the API key when the server wants one.
import { getJson, onKeyNeeded, setKey } from "./api.js";
import { ChatView } from "./chat.js";
import { append, el, replace } from "./dom.js";
import { EngineView } from "./engine.js";
import { RunsView } from "./runs.js";
import { errorCard } from "./turn.js";

const main = document.getElementById("main");

// --- Theme ----------------------------------------------------------------------------------------------------------

const themeButton = document.getElementById("theme");
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (systemDark.matches ? "dark" : "light")) === "dark";

function drawTheme() {
  themeButton.textContent = isDark() ? "Light" : "Dark";
  themeButton.setAttribute("aria-label", isDark() ? "Switch to the light theme" : "Switch to the dark theme");
}
themeButton.addEventListener("click", () => {
  const chosen = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = chosen;
  localStorage.setItem("toccata.theme", chosen);
  drawTheme();
  dispatchEvent(new Event("themechange"));
});
systemDark.addEventListener("change", drawTheme);

// --- Key ------------------------------------------------------------------------------------------------------------

let asking = null;
onKeyNeeded((wrong) => (asking ??= askForKey(wrong).finally(() => (asking = null))));

function askForKey(wrong) {
  return new Promise((resolve) => {
    const input = el("input", { type: "password", id: "key", autocomplete: "off", required: true });
    const dialog = el("dialog", { "aria-labelledby": "key-title" },
      el("form", { method: "dialog" },
        el("h2", { id: "key-title" }, "API key"),
        el("p", {}, wrong ? "The server did not accept that key." : "This server asks for a key. It is kept until this tab is closed."),
        el("label", { for: "key" }, "Key"), input,
        el("div", { class: "controls" },
          el("button", { type: "button", onclick: () => dialog.close("") }, "Cancel"),
          el("span", { class: "spacer" }),
          el("button", { class: "primary", value: "given" }, "Continue"))));
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === "given") setKey(input.value);
      dialog.remove();
      resolve(dialog.returnValue === "given");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// --- Views ----------------------------------------------------------------------------------------------------------

const kTitles = { chat: "Chat", runs: "Runs", engine: "Engine" };
let status = {};
const views = {}; // made once, kept
let shown = null;

const makers = {
  chat: () => new ChatView(status),
  runs: () => new RunsView(status.agent ? goOn : null),
  engine: () => new EngineView(),
};

function route() {
  const [, name = "", ...rest] = location.hash.split("/");
  return { name: name in makers ? name : "chat", rest: rest.map(decodeURIComponent) };
}

function show() {
  const { name, rest } = route();
  const view = (views[name] ??= makers[name]());
  if (shown !== view) {
    shown?.hide?.();
    replace(main, view.element);
    shown = view;
  }
  document.title = `${kTitles[name]} · Toccata`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view.show(rest[0] ?? "", rest[1] ?? "");
}

function goOn(conversation) {
  location.hash = "#/chat";
  show();
  views.chat.goOn(conversation);
}

async function start() {
  drawTheme();
  try {
    status = await getJson("/v1/toccata/status");
    document.getElementById("model").textContent = status.model;
  } catch (error) {
    append(document.body, [el("div", { class: "toast" }, errorCard({ title: "The server could not be asked", message: error.message }))]);
  }
  if (!status.runs) delete makers.runs;
  for (const link of document.querySelectorAll("nav a")) link.hidden = !(link.dataset.view in makers);
  addEventListener("hashchange", show);
  addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "o" || !event.shiftKey || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    location.hash = "#/chat";
    views.chat?.startNew();
  });
  show();
}

start();
