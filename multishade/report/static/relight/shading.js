// SPDX-License-Identifier: Apache-2.0
// The one model of shading, as GLSL for WebGL and as JavaScript where there is no WebGL.

export const GLOSS = { strength: 0.45, power: 40 };

// Clay is shown as max(0, n . l) itself; the picture's colours are made linear, shaded, and coded again.
export const SHADE_GLSL = `
vec3 toLinear(vec3 c) { return mix(c / 12.92, pow((c + 0.055) / 1.055, vec3(2.4)), step(0.04045, c)); }
vec3 toDisplay(vec3 c) {
  c = clamp(c, 0.0, 1.0);
  return mix(c * 12.92, 1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, c));
}
vec3 shade(vec3 n, vec3 l, vec3 colour, bool clay, bool glossy) {
  float lit = max(0.0, dot(n, l));
  vec3 h = normalize(l + vec3(0.0, 0.0, 1.0));
  float shine = glossy && lit > 0.0 ? ${GLOSS.strength} * pow(max(0.0, dot(n, h)), ${GLOSS.power}.0) : 0.0;
  return clay ? vec3(min(1.0, lit + shine)) : toDisplay(toLinear(colour) * lit * 1.25 + shine);
}`;

const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const display = (c) => {
  const v = Math.min(1, Math.max(0, c));
  return v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055;
};

/** Shade one pixel: normal and light as arrays of three, colour 0 to 255 -> three values 0 to 255. */
export function shade(n, l, colour, clay, glossy, out, place) {
  const lit = Math.max(0, n[0] * l[0] + n[1] * l[1] + n[2] * l[2]);
  let shine = 0;
  if (glossy && lit > 0) {
    const length = Math.hypot(l[0], l[1], l[2] + 1);
    const facing = (n[0] * l[0] + n[1] * l[1] + n[2] * (l[2] + 1)) / length;
    shine = GLOSS.strength * Math.max(0, facing) ** GLOSS.power;
  }
  for (let channel = 0; channel < 3; channel++) {
    const value = clay ? Math.min(1, lit + shine) : display(linear(colour[channel] / 255) * lit * 1.25 + shine);
    out[place + channel] = Math.round(value * 255);
  }
}

/** Compile and link; throws with the compiler's own message. */
export function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, `#version 300 es\nprecision highp float;\n${text}`);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
  return made;
}

/** A texture that does not repeat, from an image element or from (x, y, z, mask) floats. */
export function texture(gl, unit, source, width, height) {
  const made = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_2D, made);
  if (source instanceof Float32Array) {
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA16F, width, height, 0, gl.RGBA, gl.FLOAT, source);
  } else {
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, source);
  }
  for (const name of ["TEXTURE_MIN_FILTER", "TEXTURE_MAG_FILTER"]) gl.texParameteri(gl.TEXTURE_2D, gl[name], gl.LINEAR);
  for (const name of ["TEXTURE_WRAP_S", "TEXTURE_WRAP_T"]) gl.texParameteri(gl.TEXTURE_2D, gl[name], gl.CLAMP_TO_EDGE);
  return made;
}
