// SPDX-License-Identifier: Apache-2.0
// One sample -> its large view: pictures, wipe and flip between two of them, film strip, relighting, metadata.
//
//   showSample(host, sample)
//
// sample: { key, title, pictures: [{ id, name, note, url, set }], frames: [{ url, note }], facts: [[name, value]],
//   command, download, meta, normals: () => Promise<{ width, height, normals }> }. All texts are shown as text.
import { createRelight } from "./relit.js";

const FRAMES_PER_SECOND = 6;

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function showSample(host, sample) {
  host.replaceChildren(
    element("h2", { id: "sample-title" }, sample.title),
    element("p", { class: "quiet" }, sample.key),
    pictureView(sample),
    filmStrip(sample),
    relighting(sample),
    facts(sample),
  );
}

function pictureView(sample) {
  const first = element("img", { class: "shown", alt: "" });
  const second = element("img", { class: "shown over", alt: "" });
  const line = element("span", { class: "wipe-line" });
  const stage = element("div", { class: "stage" }, first, second, line);
  const note = element("p", { class: "quiet", "aria-live": "polite" });
  const choose = (label, without) => {
    const select = element("select", { "aria-label": label, class: without ? "second" : "first" });
    if (without) select.append(new Option(without, ""));
    for (const picture of sample.pictures) select.append(new Option(title(picture), picture.id));
    return select;
  };
  const upper = choose("Picture"), lower = choose("Second picture", "no second picture");
  const file = element("input", { type: "file", accept: "image/*", "aria-label": "Add a picture of your own" });
  const wipe = element("input", { type: "range", min: "0", max: "100", value: "50", "aria-label": "Wipe" });
  const flip = element("button", { type: "button", "aria-pressed": "false" }, "flip");
  const find = (id) => sample.pictures.find((picture) => picture.id === id);

  function update() {
    const shown = find(upper.value), other = find(lower.value);
    first.src = shown.url;
    first.alt = title(shown);
    second.hidden = line.hidden = wipe.disabled = flip.disabled = !other;
    if (other) {
      second.src = other.url;
      second.alt = title(other);
    }
    const share = flip.getAttribute("aria-pressed") === "true" ? 0 : Number(wipe.value);
    second.style.clipPath = `inset(0 0 0 ${share}%)`;
    line.style.left = `${share}%`;
    note.textContent = [shown, other].filter(Boolean).map((p) => `${title(p)}: ${p.note || "-"}`).join("  ·  ");
  }
  for (const control of [upper, lower]) control.addEventListener("change", update);
  wipe.addEventListener("input", () => {
    flip.setAttribute("aria-pressed", "false");
    update();
  });
  flip.addEventListener("click", () => {
    const pressed = flip.getAttribute("aria-pressed") === "true";
    flip.setAttribute("aria-pressed", String(!pressed));
    if (pressed) wipe.value = "100";
    update();
  });
  stage.addEventListener("pointermove", (event) => {
    if (!event.buttons || wipe.disabled) return;
    const box = stage.getBoundingClientRect();
    wipe.value = String((100 * (event.clientX - box.left)) / box.width);
    wipe.dispatchEvent(new Event("input"));
  });
  file.addEventListener("change", async () => {
    const added = await ownPicture(file.files[0], sample).catch((error) => error);
    if (added instanceof Error) {
      note.textContent = `This picture cannot be shown: ${added.message}`;
      return;
    }
    sample.pictures.push(added);
    for (const select of [upper, lower]) select.append(new Option(title(added), added.id));
    lower.value = added.id;
    update();
  });
  if (sample.pictures.length) update();
  return element(
    "section", { class: "pictures" },
    element("div", { class: "row" }, upper, lower, wipe, flip), stage, note,
    element("label", { class: "quiet" }, "Compare with a picture of the whole frame, such as a prediction: ", file),
  );
}

/** A file of the frame's aspect -> a picture of the square that the others show. It does not leave the browser. */
async function ownPicture(file, sample) {
  const image = await createImageBitmap(file);
  const [left, top, side, width, height] = sample.box;
  if (Math.abs(image.width / image.height - width / height) > 0.01) {
    throw new Error(`it has ${image.width} x ${image.height} pixels, the frame ${width} x ${height}`);
  }
  const scale = image.width / width;
  const canvas = element("canvas", { width: Math.round(side * scale), height: Math.round(side * scale) });
  canvas.getContext("2d").drawImage(image, -left * scale, -top * scale);
  return { id: `own-${sample.pictures.length}`, name: file.name, note: "", set: "", url: canvas.toDataURL() };
}

function title(picture) {
  return picture.set ? `${picture.set}: ${picture.name}` : picture.name;
}

function filmStrip(sample) {
  if (!sample.frames.length) return element("span");
  const frame = element("img", { class: "frame", alt: "" });
  const position = element("input", {
    type: "range", min: "0", max: String(sample.frames.length - 1), value: "0", "aria-label": "Frame of the sequence",
  });
  const note = element("output", { class: "quiet" });
  const play = element("button", { type: "button", "aria-pressed": "false" }, "play");
  const strip = element("div", { class: "strip" });
  let timer = 0;

  function show(number) {
    const { url, note: text } = sample.frames[number];
    frame.src = url;
    frame.alt = `shading, frame ${number}`;
    position.value = String(number);
    note.textContent = `light ${number}: ${text}`;
  }
  for (const [number, { url }] of sample.frames.entries()) {
    const button = element("button", { type: "button", class: "bare", "aria-label": `frame ${number}` });
    button.append(element("img", { src: url, alt: "", loading: "lazy" }));
    button.addEventListener("click", () => show(number));
    strip.append(button);
  }
  position.addEventListener("input", () => show(Number(position.value)));
  play.addEventListener("click", () => {
    const playing = play.getAttribute("aria-pressed") !== "true";
    play.setAttribute("aria-pressed", String(playing));
    play.textContent = playing ? "stop" : "play";
    clearInterval(timer);
    if (!playing) return;
    timer = setInterval(() => {
      if (!play.isConnected) clearInterval(timer);
      else show((Number(position.value) + 1) % sample.frames.length);
    }, 1000 / FRAMES_PER_SECOND);
  });
  show(0);
  return element(
    "section", { class: "film" }, element("h3", {}, "Shading sequence"),
    element("div", { class: "row" }, play, position, note), frame, strip,
  );
}

function relighting(sample) {
  const host = element("div");
  const section = element("section", {}, element("h3", {}, "Relighting"), host);
  sample.normals().then(
    (data) => {
      if (!section.isConnected) return;
      host.relit = createRelight(host, { ...data, label: sample.title });
    },
    (error) => host.append(element("p", { role: "alert" }, `Normals cannot be shown: ${error.message}`)),
  );
  return section;
}

function facts(sample) {
  const table = element("dl");
  for (const [name, value] of sample.facts) table.append(element("dt", {}, name), element("dd", {}, value));
  const section = element("section", { class: "facts" }, element("h3", {}, "Sample"), table);
  if (sample.command) {
    const copy = element("button", { type: "button" }, "copy");
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(sample.command);
      copy.textContent = "copied";
    });
    section.append(element("p", {}, "Render it again: ", element("code", {}, sample.command), " ", copy));
  }
  if (sample.download) {
    section.append(element("p", {}, element("a", { href: sample.download, download: `${sample.key}.zip` }, "Download its files")));
  }
  section.append(
    element("details", {}, element("summary", {}, "meta.json"), element("pre", {}, JSON.stringify(sample.meta, null, 1))),
  );
  return section;
}
