// Files that a call left in the session's /mnt/data: pictures are shown, others handed over.
//   files: [{path, size}]; run: the run's id; call: number of the call, 0 = as the last one left them
import { request } from "./api.js";
import { el, replace } from "./dom.js";

const kPicture = /\.(png|jpe?g|gif|webp)$/i;
const kBytesMax = 16 << 20;

export function filesView(files, run, call) {
  const kept = (files ?? []).filter((file) => file.size !== null);
  if (kept.length === 0 || !run) return null;
  return el("div", { class: "files" }, kept.map((file) => (kPicture.test(file.path) ? picture(file, run, call) : link(file, run, call))));
}

const bytesText = (n) => (n < 1000 ? `${n} bytes` : n < 1e6 ? `${(n / 1e3).toFixed(1)} kB` : `${(n / 1e6).toFixed(1)} MB`);

// Through the API, which may want a key that a src has no place for.
async function fetched({ path }, run, call) {
  const query = new URLSearchParams({ path, call });
  return URL.createObjectURL(await (await request(`/v1/toccata/runs/${encodeURIComponent(run)}/file?${query}`)).blob());
}

function picture(file, run, call) {
  const caption = el("figcaption", { class: "small" }, `${file.path}, ${bytesText(file.size)}`);
  const frame = el("figure", {}, caption);
  if (file.size > kBytesMax) return frame;
  fetched(file, run, call)
    .then((url) => {
      const image = el("img", { alt: file.path, src: url, onload: () => URL.revokeObjectURL(url) });
      image.addEventListener("error", () => image.remove());
      frame.prepend(image);
    })
    .catch((error) => replace(caption, `${file.path}: ${error.message}`));
  return frame;
}

function link(file, run, call) {
  const button = el("button", { type: "button", class: "quiet small" }, `${file.path}, ${bytesText(file.size)}`);
  button.addEventListener("click", async () => {
    try {
      const url = await fetched(file, run, call);
      el("a", { href: url, download: file.path.split("/").pop() }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
    } catch (error) {
      button.textContent = `${file.path}: ${error.message}`;
    }
  });
  return button;
}
