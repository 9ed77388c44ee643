// Conversations of this browser, in localStorage: an index, and one entry a conversation.
//   {id, title, updated, run?, messages: [{role: "user", text} | {role: "assistant", parts, stats?, error?}]}

const kIndex = "toccata.chats";
const kChatsMax = 200;
const entry = (id) => `toccata.chat.${id}`;

function read(key, fallback) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? fallback;
  } catch {
    return fallback;
  }
}

// [{id, title, updated}], latest first.
export const listChats = () => read(kIndex, []);
export const loadChat = (id) => read(entry(id), null);

export function newChat() {
  return { id: crypto.randomUUID?.() ?? String(Date.now()) + Math.random(), title: "", updated: Date.now(), messages: [] };
}

export function saveChat(chat) {
  chat.updated = Date.now();
  const index = listChats().filter((c) => c.id !== chat.id);
  index.unshift({ id: chat.id, title: chat.title, updated: chat.updated });
  for (const old of index.splice(kChatsMax)) localStorage.removeItem(entry(old.id));
  // Where the browser gives no more room, the oldest conversations make some.
  for (;;) {
    try {
      localStorage.setItem(entry(chat.id), JSON.stringify(chat));
      localStorage.setItem(kIndex, JSON.stringify(index));
      return true;
    } catch {
      if (index.length < 2) return false;
      localStorage.removeItem(entry(index.pop().id));
    }
  }
}

export function deleteChat(id) {
  try {
    localStorage.removeItem(entry(id));
    localStorage.setItem(kIndex, JSON.stringify(listChats().filter((c) => c.id !== id)));
  } catch {
    // No storage, nothing stored.
  }
}
