// SPDX-License-Identifier: Apache-2.0
// Counts of values -> checkboxes, ranges and the list of failures; what is chosen -> parameters of a request.
import { element } from "./sample.js";

export class Facets {
  /** changed() is called when another choice is made. */
  constructor(host, changed) {
    this.host = host;
    this.changed = changed;
    this.chosen = new Map(); // facet -> Set of values
    this.ranges = new Map(); // facet -> [low, high] as texts
  }

  addTo(parameters) {
    for (const [name, values] of this.chosen) for (const value of values) parameters.append(name, value);
    for (const [name, [low, high]] of this.ranges) if (low || high) parameters.set(name, `${low},${high}`);
    return parameters;
  }

  clear() {
    this.chosen.clear();
    this.ranges.clear();
    this.changed();
  }

  show({ labels, numbers, failures }, groups) {
    const active = document.activeElement?.id;
    const scrolled = new Map([...this.host.querySelectorAll(".values")].map((box) => [box.dataset.name, box.scrollTop]));
    const parts = labels.filter(({ values }) => values.length).map((facet) => this.labelFacet(facet));
    parts.push(...numbers.map((facet) => this.numberFacet(facet)));
    if (failures.length) parts.push(failureList(failures, groups));
    const any = this.chosen.size || this.ranges.size;
    this.host.replaceChildren(
      ...(any ? [element("button", { type: "button", onclick: () => this.clear() }, "clear all filters")] : []),
      ...parts,
    );
    for (const box of this.host.querySelectorAll(".values")) box.scrollTop = scrolled.get(box.dataset.name) || 0;
    if (active) document.getElementById(active)?.focus({ preventScroll: true });
  }

  labelFacet({ name, values }) {
    const wanted = this.chosen.get(name) || new Set();
    const listed = new Set(values.map(([value]) => value));
    const every = [...values, ...[...wanted].filter((value) => !listed.has(value)).map((value) => [value, 0])];
    const boxes = every.map(([value, count]) => {
      const box = element("input", { type: "checkbox", id: `facet ${name} ${value}`, checked: wanted.has(value) });
      box.addEventListener("change", () => {
        if (box.checked) wanted.add(value);
        else wanted.delete(value);
        if (wanted.size) this.chosen.set(name, wanted);
        else this.chosen.delete(name);
        this.changed();
      });
      return element("label", {}, box, element("span", {}, value), " ", element("span", { class: "count" }, count.toLocaleString("en")));
    });
    const list = element("div", { class: "values", "data-name": name }, ...boxes);
    return element("fieldset", {}, element("legend", {}, name), list);
  }

  numberFacet({ name, low, high, counts }) {
    const most = Math.max(1, ...counts);
    const bars = element("div", { class: "bars", "aria-hidden": "true" });
    for (const count of counts) {
      const bar = element("i");
      bar.style.height = `${(100 * count) / most}%`;
      bars.append(bar);
    }
    const current = this.ranges.get(name) || ["", ""];
    const inputs = [["from", low], ["to", high]].map(([word, edge], i) => {
      const input = element("input", {
        type: "number", step: "any", id: `facet ${name} ${word}`, value: current[i], placeholder: edge.toPrecision(3),
        "aria-label": `${name} ${word}`,
      });
      input.addEventListener("change", () => {
        const range = [...(this.ranges.get(name) || ["", ""])];
        range[i] = input.value;
        if (range[0] || range[1]) this.ranges.set(name, range);
        else this.ranges.delete(name);
        this.changed();
      });
      return input;
    });
    return element("fieldset", {}, element("legend", {}, name), bars, element("div", { class: "range" }, ...inputs));
  }
}

function failureList(kinds, groups) {
  const items = groups.map((group) => element("li", {}, `${group.object || ""} (${group.group || ""}): ${group.error || ""}`));
  const text = kinds.map(([kind, count]) => `${kind} ${count}`).join(", ");
  return element("details", {}, element("summary", {}, `Left out: ${text}`), element("ul", { class: "failures" }, ...items));
}
