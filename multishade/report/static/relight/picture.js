// SPDX-License-Identifier: Apache-2.0
// Normals, photo and colours of the surface -> a canvas that shows photo, relit object or normals, pixel for pixel.
import { SHADE_GLSL, program, shade, texture } from "./shading.js";

const PICTURE_VERTEX = `
const vec2 corners[3] = vec2[3](vec2(-1.0, -1.0), vec2(3.0, -1.0), vec2(-1.0, 3.0));
out vec2 place;
void main() {
  vec2 at = corners[gl_VertexID];
  place = vec2(0.5 + 0.5 * at.x, 0.5 - 0.5 * at.y);
  gl_Position = vec4(at, 0.0, 1.0);
}`;
const PICTURE_FRAGMENT = `
uniform sampler2D normals, photo, colours;
uniform vec3 light;
uniform float wipe;
uniform bool clay, glossy, coded;
in vec2 place;
out vec4 shown;
${SHADE_GLSL}
void main() {
  vec4 n = texture(normals, place);
  if (place.x < wipe) { shown = vec4(texture(photo, place).rgb, 1.0); return; }
  if (n.a < 0.5) { shown = vec4(0.0); return; }
  vec3 unit = normalize(n.xyz);
  vec3 value = coded ? 0.5 + 0.5 * unit : shade(unit, light, texture(colours, place).rgb, clay, glossy);
  shown = vec4(value, 1.0);
}`;

/** state: {light, wipe, clay, glossy, coded}. Returns {draw(state), pixels(state), kind}. */
export function makePicture(canvas, normals, photo, colours) {
  canvas.width = normals.width;
  canvas.height = normals.height;
  const gl = canvas.getContext("webgl2", { alpha: true, premultipliedAlpha: false, antialias: false });
  return gl ? withWebGl(gl, normals, photo, colours) : withCanvas(canvas, normals, photo, colours);
}

function withWebGl(gl, { width, height, normals }, photo, colours) {
  const made = program(gl, PICTURE_VERTEX, PICTURE_FRAGMENT);
  gl.useProgram(made);
  texture(gl, 0, normals, width, height);
  texture(gl, 1, photo);
  texture(gl, 2, colours);
  const at = (name) => gl.getUniformLocation(made, name);
  ["normals", "photo", "colours"].forEach((name, unit) => gl.uniform1i(at(name), unit));
  gl.bindVertexArray(gl.createVertexArray());
  const draw = ({ light, wipe, clay, glossy, coded }) => {
    gl.viewport(0, 0, width, height);
    gl.uniform3fv(at("light"), light);
    gl.uniform1f(at("wipe"), wipe);
    for (const [name, value] of Object.entries({ clay, glossy, coded })) gl.uniform1i(at(name), value ? 1 : 0);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  };
  const pixels = (state) => {
    draw(state);
    const rows = new Uint8Array(4 * width * height);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, rows);
    const upright = new Uint8Array(rows.length); // WebGL counts rows from the bottom
    for (let row = 0; row < height; row++) {
      upright.set(rows.subarray(4 * width * (height - 1 - row), 4 * width * (height - row)), 4 * width * row);
    }
    return upright;
  };
  return { draw, pixels, kind: "webgl2" };
}

function withCanvas(canvas, { width, height, normals }, photo, colours) {
  const context = canvas.getContext("2d");
  const read = (image) => {
    const copy = new OffscreenCanvas(width, height).getContext("2d");
    copy.drawImage(image, 0, 0, width, height);
    return copy.getImageData(0, 0, width, height).data;
  };
  const [seen, painted] = [read(photo), read(colours)];
  const image = context.createImageData(width, height);
  const fill = ({ light, wipe, clay, glossy, coded }) => {
    const out = image.data;
    for (let row = 0, place = 0; row < height; row++) {
      for (let column = 0; column < width; column++, place += 4) {
        out[place + 3] = 255;
        if ((column + 0.5) / width < wipe) {
          out.set(seen.subarray(place, place + 3), place);
        } else if (!normals[place + 3]) {
          out[place + 3] = 0;
        } else if (coded) {
          for (let axis = 0; axis < 3; axis++) out[place + axis] = Math.round(127.5 + 127.5 * normals[place + axis]);
        } else {
          shade(normals.subarray(place, place + 3), light, painted.subarray(place, place + 3), clay, glossy, out, place);
        }
      }
    }
    return out;
  };
  const draw = (state) => {
    fill(state);
    context.putImageData(image, 0, 0);
  };
  return { draw, pixels: fill, kind: "canvas" };
}
