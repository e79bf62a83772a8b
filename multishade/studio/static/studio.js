// SPDX-License-Identifier: Apache-2.0
// The page: what was sent, what is chosen, and how far the one worker is.
import { makeDrop } from "./drop.js";
import { makeMask } from "./mask.js";
import { ask, at } from "./requests.js";
import { clearObject, showFiles, showObject } from "./results.js";

const SOON = 400; // milliseconds between questions while something is made
const part = (name) => document.getElementById(name);
const page = { items: [], limits: { megabytes: 200 }, chosen: null, shown: "", files: "" };
let asking = null;

const say = (text) => {
  part("message").textContent = text;
};
const failed = (error) => say(error.message);
const attempt = (task) => (...given) => {
  say("");
  return Promise.resolve(task(...given)).catch(failed);
};

/** In words how far an item is. */
function progress(item) {
  if (item.state === "waiting") {
    const { before } = item;
    return before ? `waiting, ${before} before it` : "next";
  }
  return { empty: "being sent", working: item.step, shown: item.step, done: "done", failed: "failed" }[item.state];
}

const busy = () => page.items.some((item) => ["waiting", "working", "shown"].includes(item.state));
const chosen = () => page.items.find((item) => item.id === page.chosen);

async function refresh() {
  clearTimeout(asking);
  const { items, limits } = await ask("api/items");
  Object.assign(page, { items, limits });
  if (page.chosen && !chosen()) page.chosen = null;
  showItems();
  await showChosen();
  if (busy()) asking = setTimeout(() => refresh().catch(failed), SOON);
}

function showItems() {
  const list = part("items");
  const ids = page.items.map((item) => item.id);
  for (const row of [...list.children]) if (!ids.includes(row.dataset.id)) row.remove();
  for (const item of page.items) {
    const row = [...list.children].find((each) => each.dataset.id === item.id) ?? list.appendChild(makeRow(item));
    row.querySelector(".one").setAttribute("aria-pressed", String(item.id === page.chosen));
    const words = row.querySelector(".quiet");
    if (words.textContent !== progress(item)) words.textContent = progress(item);
  }
}

function makeRow(item) {
  const row = document.createElement("li");
  row.dataset.id = item.id;
  const one = Object.assign(document.createElement("button"), { type: "button", className: "one" });
  one.append(
    Object.assign(document.createElement("span"), { textContent: item.name }),
    Object.assign(document.createElement("span"), { className: "quiet" }),
  );
  one.addEventListener("click", attempt(() => choose(item.id)));
  const away = Object.assign(document.createElement("button"), { type: "button", className: "away", textContent: "×" });
  away.setAttribute("aria-label", `Remove ${item.name}`);
  away.addEventListener("click", attempt(async () => {
    await ask(at(item.id), { method: "DELETE" });
    await refresh();
  }));
  row.append(one, away);
  return row;
}

async function choose(id) {
  page.chosen = id;
  await refresh();
}

async function showChosen() {
  const item = chosen();
  part("result").hidden = !item;
  if (!item) {
    if (page.shown) clearObject();
    page.shown = page.files = "";
    return;
  }
  part("name").textContent = item.name;
  part("facts").textContent = item.facts.join(", ");
  const status = item.state === "failed" ? item.error : { done: "" }[item.state] ?? progress(item);
  if (part("status").textContent !== status) part("status").textContent = status;
  part("status").classList.toggle("failed", item.state === "failed");
  part("notes").replaceChildren(
    ...item.notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })),
  );
  for (const name of ["tabs", "relighting", "masking", "downloads"]) part(name).hidden = !item.version;
  if (!item.version) return;
  openTab(document.querySelector("[role=tab][aria-selected=true]"));
  const files = `${item.id} ${item.version} ${item.state}`;
  if (files !== page.files) {
    page.files = files;
    showFiles(item);
  }
  const version = `${item.id} ${item.version}`;
  if (version === page.shown) return;
  page.shown = version;
  await showObject(item, () => page.shown === version);
  if (page.shown !== version) return;
  await mask.load(at(item.id, `/shown/picture.jpg?${item.version}`), at(item.id, `/shown/mask.png?${item.version}`));
  part("result").dataset.shown = version;
}

const mask = makeMask({
  use: attempt(async () => {
    await ask(at(page.chosen, "/mask"), { method: "PUT", body: await mask.blob() });
    openTab(part("tab-relight"));
    await refresh();
  }),
  found: attempt(async () => {
    await ask(at(page.chosen, "/mask"), { method: "DELETE" });
    await refresh();
  }),
});

makeDrop({
  failed,
  photos: attempt(async (files) => {
    for (const file of files) {
      requireSmall(file);
      const { id } = await ask(`api/items?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
      await choose(id);
    }
  }),
  set: attempt(async (name, files, options) => {
    files.forEach(requireSmall);
    const { id } = await ask(`api/items?kind=set&name=${encodeURIComponent(name)}`, { method: "POST" });
    const leftOut = []; // what else lies in a folder
    try {
      for (const [number, file] of files.entries()) {
        part("message").textContent = `sending ${number + 1} of ${files.length}`;
        try {
          await ask(at(id, `/source?name=${encodeURIComponent(file.name)}`), { method: "PUT", body: file });
        } catch (error) {
          if (error.status !== 415) throw error;
          leftOut.push(error.message);
        }
      }
      say(leftOut.length ? `left out: ${leftOut.join("; ")}` : "");
      await ask(at(id, "/solve"), { method: "POST", body: JSON.stringify(options) });
    } catch (error) {
      await ask(at(id), { method: "DELETE" });
      throw error;
    }
    await choose(id);
  }),
});

function requireSmall(file) {
  const most = page.limits.megabytes;
  if (file.size > most * 1e6) {
    throw new Error(`${file.name}: ${(file.size / 1e6).toFixed(1)} megabytes; at most ${most} are taken`);
  }
}

const tabs = [...document.querySelectorAll("[role=tab]")];

function openTab(tab, focus = false) {
  for (const each of tabs) {
    const open = each === tab;
    each.setAttribute("aria-selected", String(open));
    each.tabIndex = open ? 0 : -1;
    part(each.getAttribute("aria-controls")).hidden = !open;
  }
  if (focus) tab.focus();
}
for (const [number, tab] of tabs.entries()) {
  tab.addEventListener("click", () => openTab(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) openTab(tabs[(number + step + tabs.length) % tabs.length], true);
  });
}

refresh().catch(failed);
