// SPDX-License-Identifier: Apache-2.0
// A surface -> a canvas in which it is turned and zoomed under the same light (WebGL only).
import { SHADE_GLSL, program, texture } from "./shading.js";

const SURFACE_VERTEX = `
layout(location = 0) in vec3 point;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec2 place;
uniform mat3 turn;
uniform vec3 middle;
uniform vec2 zoom;
out vec3 facing;
out vec2 at;
void main() {
  vec3 seen = turn * (point - middle);
  facing = normal;
  at = place;
  gl_Position = vec4(seen.xy * zoom, -seen.z * min(zoom.x, zoom.y) * 0.5, 1.0);
}`;
const SURFACE_FRAGMENT = `
uniform sampler2D colours;
uniform vec3 light;
uniform bool clay, glossy;
in vec3 facing;
in vec2 at;
out vec4 shown;
${SHADE_GLSL}
void main() {
  vec3 value = shade(normalize(facing), light, texture(colours, at).rgb, clay, glossy);
  shown = vec4(gl_FrontFacing ? value : value * 0.25, 1.0);
}`;

/** Normals of the vertices: sums of the cross products of the triangles around them. */
export function vertexNormals({ points, corners }) {
  const normals = new Float32Array(points.length);
  for (let k = 0; k < corners.length; k += 3) {
    const [a, b, c] = [3 * corners[k], 3 * corners[k + 1], 3 * corners[k + 2]];
    const u = [0, 1, 2].map((axis) => points[b + axis] - points[a + axis]);
    const v = [0, 1, 2].map((axis) => points[c + axis] - points[a + axis]);
    const cross = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    for (const corner of [a, b, c]) for (let axis = 0; axis < 3; axis++) normals[corner + axis] += cross[axis];
  }
  return normals;
}

/** state: {light, clay, glossy, azimuth, elevation, zoom}. Returns {draw(state)}, or null without WebGL2. */
export function makeSurface(canvas, surface, colours) {
  const gl = canvas.getContext("webgl2", { antialias: true });
  if (!gl || !surface.corners.length) return null;
  const made = program(gl, SURFACE_VERTEX, SURFACE_FRAGMENT);
  gl.useProgram(made);
  gl.enable(gl.DEPTH_TEST);
  texture(gl, 0, colours);
  const at = (name) => gl.getUniformLocation(made, name);
  gl.uniform1i(at("colours"), 0);
  gl.bindVertexArray(gl.createVertexArray());
  [[surface.points, 3], [vertexNormals(surface), 3], [surface.places, 2]].forEach(([values, size], index) => {
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(index);
    gl.vertexAttribPointer(index, size, gl.FLOAT, false, 0, 0);
  });
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, surface.corners, gl.STATIC_DRAW);
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  surface.points.forEach((value, k) => {
    low[k % 3] = Math.min(low[k % 3], value);
    high[k % 3] = Math.max(high[k % 3], value);
  });
  gl.uniform3fv(at("middle"), low.map((value, axis) => (value + high[axis]) / 2));
  const size = Math.hypot(...low.map((value, axis) => high[axis] - value)) / 2;
  const draw = ({ light, clay, glossy, azimuth, elevation, zoom }) => {
    const { clientWidth, clientHeight } = canvas;
    const dots = Math.min(2, globalThis.devicePixelRatio || 1);
    canvas.width = Math.max(1, Math.round(clientWidth * dots));
    canvas.height = Math.max(1, Math.round(clientHeight * dots));
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const [ca, sa, ce, se] = [Math.cos(azimuth), Math.sin(azimuth), Math.cos(elevation), Math.sin(elevation)];
    // Column by column: about the vertical, then about the horizontal of the screen.
    gl.uniformMatrix3fv(at("turn"), false, [ca, se * sa, -ce * sa, 0, ce, se, sa, -se * ca, ce * ca]);
    const side = Math.min(canvas.width, canvas.height);
    gl.uniform2f(at("zoom"), (zoom * side) / canvas.width / size, (zoom * side) / canvas.height / size);
    gl.uniform3fv(at("light"), light);
    gl.uniform1i(at("clay"), clay ? 1 : 0);
    gl.uniform1i(at("glossy"), glossy ? 1 : 0);
    gl.drawElements(gl.TRIANGLES, surface.corners.length, gl.UNSIGNED_INT, 0);
  };
  return { draw };
}
