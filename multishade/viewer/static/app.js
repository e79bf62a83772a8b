// SPDX-License-Identifier: Apache-2.0
// The page of `multishade view`: search, filters, the list, the large view of a sample.
import { SampleDialog } from "./dialog.js";
import { Facets } from "./facets.js";
import { Grid } from "./grid.js";

const at = (id) => document.getElementById(id);
const ORDERS = [["", "order of the shards"], ["mask area", "small objects first"], ["-mask area", "large objects first"],
  ["-exposure", "most exposed first"], ["-error", "largest error first"]];

async function fetchJson(path, parameters = "") {
  const response = await fetch(`${path}?${parameters}`);
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(content.error || `${response.status} ${response.statusText}`);
  return content;
}

const { sets } = await fetchJson("api/sets");
const facets = new Facets(at("facets"), () => update());
const grid = new Grid(at("grid"), {
  fetchRows: (offset, limit) => {
    const parameters = searched();
    parameters.set("offset", offset);
    parameters.set("limit", limit);
    return fetchJson("api/samples", parameters);
  },
  thumbnails: (key) => sets.map((_, number) => `thumbnail?set=${number}&key=${key}&name=${at("picture").value}`),
  open: (number) => dialog.open(number),
});
grid.sheets = sets.length;
const dialog = new SampleDialog({
  load: loadSample, count: () => grid.total, closed: (number) => grid.setFocus(number),
});

function searched() {
  const parameters = new URLSearchParams();
  if (at("text").value) parameters.set("q", at("text").value);
  if (at("order").value) parameters.set("order", at("order").value);
  return facets.addTo(parameters);
}

let asked = 0, finished = false;

async function update(keepPlace = false) {
  const mine = (asked += 1);
  try {
    const [, counts] = await Promise.all([grid.reset(keepPlace), fetchJson("api/facets", searched())]);
    if (mine !== asked) return;
    facets.show(counts, sets[0].failures);
    const parts = [`${grid.total.toLocaleString("en")} of ${counts.samples.toLocaleString("en")} samples`];
    if (counts.scanned < counts.samples) parts.push(`${counts.scanned.toLocaleString("en")} read for the filters`);
    else if (counts.measured < counts.samples) parts.push(`${counts.measured.toLocaleString("en")} masks measured`);
    finished = counts.measured >= counts.samples;
    at("status").textContent = parts.join(", ");
  } catch (error) {
    at("status").textContent = `Cannot read: ${error.message}`;
  }
}

async function loadSample(number) {
  const row = await grid.row(number);
  if (!row) return null;
  try {
    const sample = await fetchJson("api/sample", new URLSearchParams({ key: row.key }));
    const place = sample.normals;
    return { ...sample, normals: () => fetchNormals(place) };
  } catch (error) {
    throw new Error(`${row.key} cannot be shown: ${error.message}`);
  }
}

async function fetchNormals(place) {
  const response = await fetch(place);
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  const data = await response.arrayBuffer();
  const side = new DataView(data).getUint32(0, true);
  return { width: side, height: side, normals: new Int16Array(data.slice(4)) };
}

at("title").textContent = sets.map(({ title }) => title).join("  |  ");
document.title = `${sets[0].title} - MultiShade`;
for (const name of sets[0].pictures) at("picture").append(new Option(name.replace("image_", ""), name));
for (const [value, text] of ORDERS) at("order").append(new Option(text, value));
at("search").addEventListener("submit", (event) => event.preventDefault());
let typing = 0;
at("text").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(update, 120);
});
at("order").addEventListener("change", () => update());
at("picture").addEventListener("change", () => grid.reset(true));
if (matchMedia("(max-width: 45rem)").matches) at("filters").open = false;
await update();
// Filters fill while the samples are read; the list itself is complete from the beginning.
const timer = setInterval(async () => {
  if (finished) clearInterval(timer);
  else if (!dialog.isOpen && !document.hidden) update(true);
}, 2000);
