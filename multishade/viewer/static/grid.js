// SPDX-License-Identifier: Apache-2.0
// A list of any length -> the tiles that are in view: rows are fetched in blocks, tiles are reused while it scrolls.
import { element } from "./sample.js";

const BLOCK = 100; // rows of one request
const KEPT = 40; // blocks in memory
const GAP = 8, CAPTION = 46;

export class Grid {
  /** fetchRows(offset, limit) -> Promise<{ total, rows }>; thumbnails(key) -> [url]; open(number) shows a sample. */
  constructor(host, { fetchRows, thumbnails, open }) {
    Object.assign(this, { host, fetchRows, thumbnails, open });
    this.spacer = element("div", { class: "spacer" });
    host.append(this.spacer);
    this.total = 0;
    this.tiles = new Map(); // number -> element
    this.free = [];
    this.blocks = new Map(); // block -> Promise of rows, or rows
    this.focus = 0;
    this.sheets = 1;
    host.addEventListener("scroll", () => this.schedule(), { passive: true });
    host.addEventListener("keydown", (event) => this.onKey(event));
    new ResizeObserver(() => this.layout()).observe(host);
  }

  /** Fetch the list again and show it from its beginning, or from where it is. Tiles whose picture stays keep it. */
  async reset(keepPlace = false) {
    const { total, rows } = await this.load(0);
    this.total = total;
    this.blocks.clear();
    this.blocks.set(0, rows);
    if (!keepPlace) [this.host.scrollTop, this.focus] = [0, 0];
    this.focus = Math.max(0, Math.min(this.focus, total - 1));
    for (const [number, tile] of [...this.tiles]) {
      if (number >= total) this.release(number);
      else {
        tile.tabIndex = number === this.focus ? 0 : -1;
        this.request(tile, number);
      }
    }
    this.layout();
  }

  async load(block) {
    const running = (this.generation = (this.generation || 0) + (block === 0 ? 1 : 0));
    const answer = await this.fetchRows(block * BLOCK, BLOCK);
    if (block !== 0 && running !== this.generation) throw new Error("the list has changed");
    return answer;
  }

  layout() {
    const width = this.host.clientWidth - GAP;
    if (width <= 0) return;
    const wanted = Math.min(190 * this.sheets, width / 2 - GAP);
    this.columns = Math.max(this.sheets > 1 ? 1 : 2, Math.floor(width / (wanted + GAP)));
    this.side = Math.floor(width / this.columns) - GAP;
    this.rowHeight = Math.round((this.side - 12) / this.sheets) + CAPTION + 12 + GAP;
    this.spacer.style.height = `${Math.ceil(this.total / this.columns) * this.rowHeight + GAP}px`;
    for (const [number, tile] of this.tiles) this.position(tile, number);
    this.schedule();
  }

  schedule() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  draw() {
    if (!this.columns) return;
    const above = Math.floor(this.host.scrollTop / this.rowHeight) - 1;
    const below = Math.ceil((this.host.scrollTop + this.host.clientHeight) / this.rowHeight) + 1;
    const first = Math.max(0, above * this.columns);
    const last = Math.min(this.total, below * this.columns);
    for (const number of [...this.tiles.keys()]) {
      if ((number < first || number >= last) && number !== this.focus) this.release(number);
    }
    for (let number = first; number < last; number += 1) this.show(number);
    if (this.total) this.show(this.focus);
  }

  show(number) {
    if (this.tiles.has(number)) return;
    const tile = this.free.pop() || this.make();
    this.tiles.set(number, tile);
    tile.number = number;
    tile.tabIndex = number === this.focus ? 0 : -1;
    this.position(tile, number);
    this.fill(tile, null);
    this.request(tile, number);
    if (!tile.parentNode) this.spacer.append(tile);
  }

  request(tile, number) {
    const block = this.blocks.get(Math.floor(number / BLOCK));
    if (Array.isArray(block)) this.fill(tile, block[number % BLOCK]);
    else this.fetch(Math.floor(number / BLOCK));
  }

  fetch(block) {
    if (this.blocks.has(block)) return;
    const loading = this.load(block).then(
      ({ rows }) => {
        if (this.blocks.get(block) !== loading) return;
        this.blocks.set(block, rows);
        for (const [number, tile] of this.tiles) {
          if (Math.floor(number / BLOCK) === block) this.fill(tile, rows[number % BLOCK]);
        }
        for (const old of this.blocks.keys()) {
          if (this.blocks.size <= KEPT) break;
          if (old !== block) this.blocks.delete(old);
        }
      },
      () => this.blocks.get(block) === loading && this.blocks.delete(block),
    );
    this.blocks.set(block, loading);
  }

  make() {
    const tile = element("button", { type: "button", class: "tile" });
    tile.thumbs = element("span", { class: "thumbs" });
    tile.images = Array.from({ length: this.sheets }, () => element("img", { alt: "", width: "192", height: "192" }));
    tile.thumbs.append(...tile.images);
    tile.caption = element("b");
    tile.more = element("span", { class: "quiet" });
    tile.append(tile.thumbs, tile.caption, tile.more);
    tile.addEventListener("click", () => {
      this.setFocus(tile.number, false);
      this.open(tile.number);
    });
    return tile;
  }

  fill(tile, row) {
    tile.caption.textContent = row ? row.object || row.key : "";
    tile.more.textContent = row ? row.key : "";
    if (row) tile.removeAttribute("aria-label");
    else tile.setAttribute("aria-label", "loading");
    const urls = row ? this.thumbnails(row.key) : [];
    for (const [i, image] of tile.images.entries()) {
      if (!urls[i]) image.removeAttribute("src");
      else if (image.getAttribute("src") !== urls[i]) image.src = urls[i];
    }
  }

  position(tile, number) {
    const column = number % this.columns, row = Math.floor(number / this.columns);
    tile.style.width = `${this.side}px`;
    tile.style.height = `${this.rowHeight - GAP}px`;
    tile.style.transform = `translate(${GAP + column * (this.side + GAP)}px, ${GAP + row * this.rowHeight}px)`;
  }

  release(number) {
    const tile = this.tiles.get(number);
    this.tiles.delete(number);
    tile.remove();
    this.free.push(tile);
  }

  async row(number) {
    const block = Math.floor(number / BLOCK);
    this.fetch(block);
    await this.blocks.get(block);
    return this.blocks.get(block)?.[number % BLOCK];
  }

  setFocus(number, move = true) {
    this.focus = Math.max(0, Math.min(this.total - 1, number));
    const top = Math.floor(this.focus / this.columns) * this.rowHeight;
    if (top < this.host.scrollTop) this.host.scrollTop = top;
    else if (top + this.rowHeight > this.host.scrollTop + this.host.clientHeight) {
      this.host.scrollTop = top + this.rowHeight - this.host.clientHeight;
    }
    this.draw();
    for (const [each, tile] of this.tiles) tile.tabIndex = each === this.focus ? 0 : -1;
    if (move) this.tiles.get(this.focus)?.focus({ preventScroll: true });
  }

  onKey(event) {
    const page = Math.max(1, Math.floor(this.host.clientHeight / this.rowHeight)) * this.columns;
    const steps = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, PageUp: -page, PageDown: page,
      Home: -this.focus, End: this.total - 1 - this.focus,
    };
    if (!(event.key in steps) || !this.total) return;
    event.preventDefault();
    this.setFocus(this.focus + steps[event.key]);
  }
}
