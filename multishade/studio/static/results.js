// SPDX-License-Identifier: Apache-2.0
// What is shown of one photo or set: the light, the mask, the files.
import { mountRelight } from "./relight/relight.js";
import { ask, at, megabytes } from "./requests.js";

const panel = document.getElementById("relighting");

/** Show an object under the light, if it is still wanted() when its data are there; the one before it is cleared. */
export async function showObject(item, wanted) {
  const data = await ask(at(item.id, `/shown/object.json?${item.version}`));
  if (!wanted()) return;
  clearObject();
  panel.append(document.getElementById("markup").content.cloneNode(true));
  const root = panel.querySelector(".relight");
  const own = root.querySelector("[name=clay][value='0']").parentNode;
  own.lastChild.textContent = item.colours;
  root.relight = await mountRelight(root, data);
}

export function clearObject() {
  for (const canvas of panel.querySelectorAll("canvas")) {
    if (canvas.dataset.part === "light") continue;
    canvas.getContext("webgl2")?.getExtension("WEBGL_lose_context")?.loseContext();
  }
  panel.replaceChildren();
}

export function showFiles(item) {
  const archive = document.getElementById("archive");
  const list = document.getElementById("list");
  if (!item.files.length) {
    archive.textContent = item.state === "failed" ? "There are no files." : "The files are not written yet.";
    list.replaceChildren();
    return;
  }
  const link = (address, text) => Object.assign(document.createElement("a"), { href: address, textContent: text, download: "" });
  const total = item.files.reduce((sum, file) => sum + file.bytes, 0);
  const whole = link(at(item.id, "/files.zip"), `All files as ZIP, ${megabytes(total)}`);
  whole.className = "button primary";
  archive.replaceChildren(whole);
  list.replaceChildren(
    ...item.files.map((file) => {
      const row = document.createElement("tr");
      row.append(...["", megabytes(file.bytes), file.what].map((text) => Object.assign(document.createElement("td"), { textContent: text })));
      row.firstChild.append(link(at(item.id, `/files/${file.name}`), file.name));
      return row;
    }),
  );
}
