// SPDX-License-Identifier: Apache-2.0
// A list of samples -> a dialog that shows one of them, with buttons and arrow keys for the one before and the next.
import { element, showSample } from "./sample.js";

export class SampleDialog {
  /** load(number) -> Promise of what showSample takes, null for none; count() -> length; closed(number) moves the focus. */
  constructor({ load, count, closed }) {
    Object.assign(this, { load, count, number: 0 });
    const button = (text, onclick) => element("button", { type: "button", onclick }, text);
    this.previous = button("previous", () => this.open(this.number - 1));
    this.next = button("next", () => this.open(this.number + 1));
    this.sample = element("div", { id: "sample" });
    this.dialog = element(
      "dialog", { id: "dialog", "aria-labelledby": "sample-title" },
      element(
        "nav", { class: "row", "aria-label": "Samples" },
        this.previous, this.next, button("close", () => this.dialog.close()),
      ),
      this.sample,
    );
    document.body.append(this.dialog);
    this.dialog.addEventListener("close", () => {
      this.sample.replaceChildren();
      closed(this.number);
    });
    this.dialog.addEventListener("keydown", (event) => {
      if (/^(INPUT|SELECT|CANVAS)$/.test(event.target.tagName)) return;
      if (event.key === "ArrowLeft" && !this.previous.disabled) this.open(this.number - 1);
      if (event.key === "ArrowRight" && !this.next.disabled) this.open(this.number + 1);
    });
  }

  get isOpen() {
    return this.dialog.open;
  }

  async open(number) {
    if (number < 0 || number >= this.count()) return;
    const before = this.number;
    this.number = number;
    const sample = await this.load(number).catch((error) => error);
    if (this.number !== number) return; // another one was asked for in the meantime
    if (!sample) {
      this.number = before;
      return;
    }
    if (sample instanceof Error) this.sample.textContent = sample.message;
    else showSample(this.sample, sample);
    this.previous.disabled = number <= 0;
    this.next.disabled = number >= this.count() - 1;
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
  }
}
