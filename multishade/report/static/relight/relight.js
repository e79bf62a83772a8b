// SPDX-License-Identifier: Apache-2.0
// The component: an element with the markup of templates/relight.html and packed data -> an object under a light.
import { readNormals, readSurface } from "./data.js";
import { dragged, lightAt, makeLightPad } from "./light_pad.js";
import { makePicture } from "./picture.js";
import { makeSurface } from "./surface.js";

async function loaded(source) {
  const image = new Image();
  image.src = source;
  await image.decode();
  return image;
}

/** Returns {state, set(changes), pixels(), kind} when everything is shown. */
export async function mountRelight(root, data) {
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const normals = await readNormals(data.normals);
  const photo = await loaded(data.photo);
  const colours = data.colours ? await loaded(data.colours) : photo;
  const picture = makePicture(part("picture"), normals, photo, colours);
  // As large as the window allows, small photos too.
  part("sized").style.width = `min(100%, ${(74 * normals.width) / normals.height}vh)`;
  const surface = data.surface && makeSurface(part("surface"), await readSurface(data.surface), colours);
  const pad = makeLightPad(part("light"), (light) => set({ light }));
  const state = {
    light: lightAt(-0.45, 0.5),
    wipe: 0.5,
    view: "relit",
    clay: false,
    glossy: false,
    azimuth: 0.5,
    elevation: 0.25,
    zoom: 1,
  };

  function draw() {
    const turned = state.view === "surface";
    part("sized").hidden = part("wiping").hidden = turned;
    part("surface").hidden = !turned;
    pad.show(state.light);
    part("line").style.left = `${100 * state.wipe}%`;
    part("line").hidden = turned || state.wipe <= 0 || state.wipe >= 1;
    if (turned) surface.draw(state);
    else picture.draw({ ...state, coded: state.view === "normals" });
  }
  let waiting = false;
  function set(changes) {
    Object.assign(state, changes);
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }

  part("wipe").addEventListener("input", (event) => set({ wipe: Number(event.target.value) / 100 }));
  for (const input of root.querySelectorAll("input[type=radio]")) {
    const name = input.dataset.sets;
    input.addEventListener("change", () => set({ [name]: name === "view" ? input.value : input.value === "1" }));
  }
  if (!surface) part("surface-choice").hidden = true;
  dragged(part("picture"), (x, y) => set({ light: lightAt(x, y) }));
  let last = null;
  const turn = (dx, dy) =>
    set({
      azimuth: state.azimuth + dx,
      elevation: Math.min(1.5, Math.max(-1.5, state.elevation + dy)),
    });
  dragged(part("surface"), (x, y, event) => {
    if (event.type === "pointermove" && last) turn(2 * (x - last[0]), -2 * (y - last[1]));
    last = [x, y];
  });
  const zoom = (factor) => set({ zoom: Math.min(8, Math.max(0.4, state.zoom * factor)) });
  part("surface").addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 600));
  });
  part("surface").addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
    if (moves[event.key]) turn(...moves[event.key]);
    else if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1.15 : 1 / 1.15);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(() => set({})).observe(root);
  draw();
  root.dataset.ready = picture.kind;
  return {
    state,
    set,
    kind: picture.kind,
    pixels: (changes = {}) => picture.pixels({ ...state, coded: state.view === "normals", ...changes }),
  };
}
