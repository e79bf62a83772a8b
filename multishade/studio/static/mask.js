// SPDX-License-Identifier: Apache-2.0
// The mask over the photo, painted with a brush by mouse, touch or keyboard.

const SHADE = "rgb(48 0 64 / 68%)"; // over the background
const MOST_UNDO = 12;

async function picture(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}

/** Returns {load(photo, mask), blob(), changed}; calls use() when a person wants the mask. */
export function makeMask({ use, found }) {
  const canvas = document.getElementById("mask");
  const context = canvas.getContext("2d");
  const mask = document.createElement("canvas"); // white and opaque on the object
  const painted = mask.getContext("2d", { willReadFrequently: true });
  const shade = document.createElement("canvas");
  const size = document.getElementById("size");
  let photo = null;
  let before = [];
  let brush = null; // where it is, pixels
  let last = null;
  let waiting = false;
  const editor = { changed: false, load, blob };

  const radius = () => Math.max(1, (Number(size.value) / 100) ** 2 * 0.3 * Math.max(canvas.width, canvas.height));
  const erases = (other) => (document.querySelector("[name=tool]:checked").value === "erase") !== other;

  async function load(photoAddress, maskAddress) {
    const [shown, grey] = await Promise.all([picture(photoAddress), picture(maskAddress)]);
    photo = shown;
    for (const each of [canvas, mask, shade]) [each.width, each.height] = [photo.naturalWidth, photo.naturalHeight];
    canvas.style.width = `min(100%, ${(74 * canvas.width) / canvas.height}vh)`; // small photos are enlarged
    painted.drawImage(grey, 0, 0, mask.width, mask.height);
    const pixels = painted.getImageData(0, 0, mask.width, mask.height);
    for (let place = 0; place < pixels.data.length; place += 4) {
      pixels.data[place + 3] = pixels.data[place] > 127 ? 255 : 0;
      pixels.data.fill(255, place, place + 3);
    }
    painted.putImageData(pixels, 0, 0);
    before = [];
    editor.changed = false;
    brush = [canvas.width / 2, canvas.height / 2];
    draw();
  }

  /** The mask as a PNG, white on black. */
  function blob() {
    const whole = document.createElement("canvas");
    [whole.width, whole.height] = [mask.width, mask.height];
    const flat = whole.getContext("2d");
    flat.fillRect(0, 0, whole.width, whole.height);
    flat.drawImage(mask, 0, 0);
    return new Promise((take) => whole.toBlob(take, "image/png"));
  }

  function draw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      if (!photo) return;
      const over = shade.getContext("2d");
      over.globalCompositeOperation = "copy";
      over.fillStyle = SHADE;
      over.fillRect(0, 0, shade.width, shade.height);
      over.globalCompositeOperation = "destination-out";
      over.drawImage(mask, 0, 0);
      context.drawImage(photo, 0, 0);
      context.drawImage(shade, 0, 0);
      if (brush && (last || document.activeElement === canvas || canvas.matches(":hover"))) ring();
      canvas.dataset.share = share().toFixed(4);
    });
  }

  function ring() {
    const unit = canvas.width / Math.max(1, canvas.clientWidth);
    for (const [style, width] of [["#000", 3], ["#fff", 1.5]]) {
      context.beginPath();
      context.arc(brush[0], brush[1], radius(), 0, 2 * Math.PI);
      context.lineWidth = width * unit;
      context.strokeStyle = style;
      context.stroke();
    }
  }

  /** The share of the photo that is object, from every 7th pixel. */
  function share() {
    const { data } = painted.getImageData(0, 0, mask.width, mask.height);
    let count = 0;
    for (let place = 3; place < data.length; place += 28) count += data[place] > 127;
    return count / Math.max(1, data.length / 28);
  }

  function remember() {
    before.push(painted.getImageData(0, 0, mask.width, mask.height));
    if (before.length > MOST_UNDO) before.shift();
    editor.changed = true;
  }

  function stroke(from, to, other) {
    painted.globalCompositeOperation = erases(other) ? "destination-out" : "source-over";
    painted.strokeStyle = "#fff";
    painted.lineCap = "round";
    painted.lineWidth = 2 * radius();
    painted.beginPath();
    painted.moveTo(...from);
    painted.lineTo(to[0] + 0.01, to[1]);
    painted.stroke();
    painted.globalCompositeOperation = "source-over";
    draw();
  }

  function fill(whole) {
    remember();
    painted.clearRect(0, 0, mask.width, mask.height);
    painted.fillStyle = "#fff";
    if (whole) painted.fillRect(0, 0, mask.width, mask.height);
    draw();
  }

  function undo() {
    const state = before.pop();
    if (state) painted.putImageData(state, 0, 0);
    editor.changed = before.length > 0;
    draw();
  }

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (!photo || event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    remember();
    brush = last = place(event);
    stroke(last, last, event.shiftKey);
  });
  canvas.addEventListener("pointermove", (event) => {
    brush = place(event);
    if (last && canvas.hasPointerCapture(event.pointerId)) {
      stroke(last, brush, event.shiftKey);
      last = brush;
    } else draw();
  });
  for (const type of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(type, () => {
      last = null;
      draw();
    });
  }
  // A press focuses the canvas after it has begun a stroke.
  for (const type of ["pointerleave", "focus", "blur"]) canvas.addEventListener(type, draw);
  canvas.addEventListener("keydown", (event) => {
    const step = radius() * (event.shiftKey ? 4 : 1);
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (moves[event.key]) {
      brush = [0, 1].map((axis) => Math.min([canvas.width, canvas.height][axis], Math.max(0, brush[axis] + moves[event.key][axis])));
      draw();
    } else if (event.key === " ") {
      remember();
      stroke(brush, brush, false);
    } else if (event.key === "[" || event.key === "]") {
      size.value = Number(size.value) + (event.key === "]" ? 4 : -4);
      draw();
    } else if (event.key === "e") {
      document.querySelector("[name=tool]:not(:checked)").checked = true;
    } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) undo();
    else return;
    event.preventDefault();
  });
  size.addEventListener("input", draw);
  document.getElementById("undo").addEventListener("click", undo);
  document.getElementById("all").addEventListener("click", () => fill(true));
  document.getElementById("none").addEventListener("click", () => fill(false));
  document.getElementById("found").addEventListener("click", found);
  document.getElementById("apply").addEventListener("click", use);
  return editor;
}
