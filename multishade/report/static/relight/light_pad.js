// SPDX-License-Identifier: Apache-2.0
// A ball over which the light is dragged, by mouse, touch or keyboard.

const RIM = 0.985; // of the radius; at the rim the light would be in the image plane
const STEP = (5 * Math.PI) / 180;

/** (x right, y up) in the disc -> unit vector toward the light. */
export function lightAt(x, y) {
  const length = Math.hypot(x, y);
  const factor = length > RIM ? RIM / length : 1;
  const [u, v] = [x * factor, y * factor];
  return [u, v, Math.sqrt(Math.max(0, 1 - u * u - v * v))];
}

/** Drags on `element` call move(x, y) with x right and y up, -1 to 1 at its edges. */
export function dragged(element, move) {
  const at = (event) => {
    const box = element.getBoundingClientRect();
    move(
      (2 * (event.clientX - box.left)) / box.width - 1,
      1 - (2 * (event.clientY - box.top)) / box.height,
      event,
    );
  };
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    at(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) at(event);
  });
}

/** Returns {show(light)}; calls set(light) when a person moves the light. */
export function makeLightPad(canvas, set) {
  const side = 168;
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  const image = context.createImageData(side, side);
  let current = [0, 0, 1];
  const show = (light) => {
    current = light;
    for (let row = 0, place = 0; row < side; row++) {
      for (let column = 0; column < side; column++, place += 4) {
        const [x, y] = [(2 * (column + 0.5)) / side - 1, 1 - (2 * (row + 0.5)) / side];
        const rest = 1 - x * x - y * y;
        const value = Math.max(0, x * light[0] + y * light[1] + Math.sqrt(Math.max(0, rest)) * light[2]);
        const edge = Math.min(1, Math.max(0, (rest * side) / 4));
        image.data.set([20 + 225 * value, 20 + 215 * value, 24 + 190 * value, 255 * edge], place);
      }
    }
    context.putImageData(image, 0, 0);
    context.beginPath();
    context.arc(((light[0] + 1) / 2) * side, ((1 - light[1]) / 2) * side, 8, 0, 2 * Math.PI);
    context.fillStyle = "#ffd166";
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = "#1b1e22";
    context.stroke();
    const azimuth = Math.round(((Math.atan2(light[0], light[1]) * 180) / Math.PI + 360) % 360);
    const elevation = Math.round((Math.asin(light[2]) * 180) / Math.PI);
    canvas.setAttribute("aria-valuetext", `azimuth ${azimuth} degrees, elevation ${elevation} degrees`);
    canvas.setAttribute("aria-valuenow", String(azimuth));
  };
  const move = (light) => {
    current = light; // at once: several keys may come before the next frame
    set(light);
  };
  dragged(canvas, (x, y) => move(lightAt(x, y)));
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.key === "Home") move([0, 0, 1]);
    else if (moves[event.key]) {
      // Steps of an angle on the sphere, so that the light moves evenly near the rim, too.
      const [x, y] = [Math.asin(current[0]), Math.asin(current[1])];
      const [dx, dy] = moves[event.key];
      const limit = (angle) => Math.sin(Math.min(Math.PI / 2, Math.max(-Math.PI / 2, angle)));
      move(lightAt(limit(x + dx * STEP), limit(y + dy * STEP)));
    } else return;
    event.preventDefault();
  });
  return { show };
}
