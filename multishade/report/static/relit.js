// SPDX-License-Identifier: Apache-2.0
// The normals of a sample -> the object under a light that is dragged over a ball, from the parts of relight/.
//
//   const view = createRelight(host, { width, height, normals, label });
//   view.setLight([0, 0, 1]);  view.setMaterial("glossy");  view.readPixels();
//
// normals: Int16Array, three for each pixel, row 0 at the top, unit length 32767; 0, 0, 0 off the object.
// Camera frame: x right, y up, z toward the viewer. Matt: grey value 255 max(0, n . l), without gamma.
import { dragged, lightAt, makeLightPad } from "./relight/light_pad.js";
import { makePicture } from "./relight/picture.js";

const UNIT = 32767;

/** (x, y, z, mask) of each pixel, as makePicture takes them. */
function withMask(normals) {
  const found = new Float32Array((4 * normals.length) / 3);
  for (let i = 0, place = 0; i < normals.length; i += 3, place += 4) {
    const [x, y, z] = [normals[i], normals[i + 1], normals[i + 2]];
    if (x || y || z) found.set([x / UNIT, y / UNIT, z / UNIT, 1], place);
  }
  return found;
}

/** Build the component into `host`. See the head of this file. */
export function createRelight(host, { width, height, normals, label = "object" }) {
  const make = (tag, name, attributes = {}) => {
    const made = document.createElement(tag);
    made.className = name;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const canvas = make("canvas", "relit-object", { role: "img", "aria-label": `${label} under the light of the ball` });
  const ball = make("canvas", "relit-ball", {
    role: "slider", tabindex: "0", "aria-valuemin": "0", "aria-valuemax": "360",
    "aria-label": "Light: arrow keys turn it, or drag it over the ball",
  });
  const select = make("select", "relit-material", { "aria-label": "Material" });
  select.append(new Option("matt", "matt"), new Option("glossy", "glossy"));
  const note = make("output", "relit-note");
  const controls = make("div", "relit-controls");
  controls.append(ball, select, note);
  host.classList.add("relit");
  host.append(canvas, controls);

  const white = make("canvas", "");
  [white.width, white.height] = [width, height];
  const picture = makePicture(canvas, { width, height, normals: withMask(normals) }, white, white);
  let light = lightAt(-0.45, 0.5), waiting = false;
  const state = () => ({ light, wipe: 0, clay: true, glossy: select.value === "glossy", coded: false });
  const pad = makeLightPad(ball, setLight);

  function draw() {
    waiting = false;
    picture.draw(state());
    pad.show(light);
    note.textContent = ball.getAttribute("aria-valuetext");
  }

  function setLight(next) {
    light = next;
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  }

  dragged(canvas, (x, y) => setLight(lightAt(x, y)));
  select.addEventListener("change", draw);
  draw();
  return {
    kind: picture.kind,
    setLight,
    setMaterial(name) {
      select.value = name;
      draw();
    },
    readPixels: (changes = {}) => picture.pixels({ ...state(), ...changes }),
  };
}
