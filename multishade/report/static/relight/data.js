// SPDX-License-Identifier: Apache-2.0
// What Python packed (multishade/report/relight.py) -> arrays.

/** Base64 of a zlib stream -> bytes. */
export async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Rows of differences modulo 65536, low bytes before high bytes -> 16-bit values of one plane. */
export function plane(bytes, number, width, height) {
  const size = width * height;
  const low = 2 * number * size;
  const values = new Uint16Array(size);
  for (let row = 0; row < height; row++) {
    let value = 0;
    for (let column = 0; column < width; column++) {
      const place = row * width + column;
      value = (value + bytes[low + place] + 256 * bytes[low + size + place]) & 65535;
      values[place] = value;
    }
  }
  return values;
}

/** Normals (x, y, z, mask) for each pixel, from octahedral coordinates; all 0 off the object. */
export async function readNormals({ width, height, data, steps }) {
  const bytes = await unpack(data);
  const [first, second] = [plane(bytes, 0, width, height), plane(bytes, 1, width, height)];
  const mask = bytes.subarray(4 * width * height);
  const normals = new Float32Array(4 * width * height);
  for (let place = 0; place < width * height; place++) {
    if (!mask[place]) continue;
    let x = (2 * first[place]) / steps - 1;
    let y = (2 * second[place]) / steps - 1;
    const z = 1 - Math.abs(x) - Math.abs(y);
    if (z < 0) {
      [x, y] = [(1 - Math.abs(y)) * (x < 0 ? -1 : 1), (1 - Math.abs(x)) * (y < 0 ? -1 : 1)];
    }
    const length = Math.hypot(x, y, z);
    normals.set([x / length, y / length, z / length, 1], 4 * place);
  }
  return { width, height, normals };
}

/** Points (x, y, z), normals, places in the picture and triangles of a surface on a grid. */
export async function readSurface({ width, height, data, low, high, camera, perspective, left, top, scale, picture, jump }) {
  const depth = plane(await unpack(data), 0, width, height);
  const [fx, fy, cx, cy] = camera;
  const points = [];
  const places = [];
  const number = new Int32Array(width * height).fill(-1);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const code = depth[row * width + column];
      if (!code) continue;
      const distance = low + ((code - 1) / 65534) * (high - low);
      const factor = perspective ? distance : 1;
      number[row * width + column] = points.length / 3;
      points.push(((column + 0.5 - cx) / fx) * factor, ((cy - row - 0.5) / fy) * factor, -distance);
      places.push(((column + 0.5) / scale + left) / picture[0], ((row + 0.5) / scale + top) / picture[1]);
    }
  }
  const corners = [];
  const far = (a, b) => Math.abs(points[3 * a + 2] - points[3 * b + 2]) > jump;
  const add = (a, b, c) => {
    if (a >= 0 && b >= 0 && c >= 0 && !far(a, b) && !far(b, c) && !far(a, c)) corners.push(a, b, c);
  };
  for (let row = 0; row + 1 < height; row++) {
    for (let column = 0; column + 1 < width; column++) {
      const place = row * width + column;
      const [a, b, c, d] = [place, place + 1, place + width, place + width + 1].map((each) => number[each]);
      add(a, c, d >= 0 ? d : b);
      add(a >= 0 ? a : c, d, b);
    }
  }
  return {
    points: new Float32Array(points),
    places: new Float32Array(places),
    corners: new Uint32Array(corners),
  };
}
