// SPDX-License-Identifier: Apache-2.0
// Reads a sample without Python, by docs/data-format.md alone:  node reader.mjs data/demo s000000-g0000-v0
// The marker says where each file lies in the tar; EXR files of normals and depth are ZIP-compressed scan lines.
import { openSync, readFileSync, readSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { inflateSync } from "node:zlib";

export function readFiles(folder, key) {
  for (const name of readdirSync(folder).filter((each) => /^multishade-\d+\.json$/.test(each)).sort()) {
    const marker = JSON.parse(readFileSync(join(folder, name)));
    if (!(key in marker.members)) continue;
    const tar = openSync(join(folder, marker.shard));
    return Object.fromEntries(marker.fields.map((field, i) => {
      const [start, size] = marker.members[key][i];
      const data = Buffer.alloc(size);
      readSync(tar, data, 0, size, start);
      return [field, data];
    }));
  }
  throw new Error(`${folder} has no sample ${key}`);
}

const half = (bits) => {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
};

export function decodeExr(data) { // -> { width, height, channels: { name: Float32Array, row 0 at the top } }
  let at = 8; // after magic number and version
  const text = () => data.toString("latin1", at, (at = data.indexOf(0, at) + 1) - 1);
  const header = {};
  for (let name = text(); name; name = text()) {
    text(); // the attribute's type
    const size = data.readInt32LE(at);
    header[name] = data.subarray(at + 4, at + 4 + size);
    at += 4 + size;
  }
  const [left, top, right, bottom] = [0, 4, 8, 12].map((place) => header.dataWindow.readInt32LE(place));
  const width = right - left + 1, height = bottom - top + 1, lines = { 0: 1, 2: 1, 3: 16 }[header.compression[0]];
  if (!lines) throw new Error(`compression ${header.compression[0]} is not read here`);
  const channels = [];
  for (let place = 0; header.channels[place]; place += 16) {
    const end = header.channels.indexOf(0, place);
    const name = header.channels.toString("latin1", place, end);
    channels.push({ name, wide: header.channels[(place = end + 1)] === 1 ? 2 : 4, values: new Float32Array(width * height) });
  }
  const lineBytes = channels.reduce((sum, { wide }) => sum + wide * width, 0);
  at += 8 * Math.ceil(height / lines); // the table of offsets
  for (let row = 0; row < height; row += lines) {
    const size = data.readInt32LE(at + 4), count = Math.min(lines, height - row) * lineBytes;
    let block = data.subarray(at + 8, at + 8 + size);
    at += 8 + size;
    if (size < count) { // deflated differences, even bytes before odd ones
      const packed = inflateSync(block);
      for (let i = 1; i < count; i += 1) packed[i] = packed[i - 1] + packed[i] - 128;
      block = Buffer.alloc(count);
      for (let i = 0; i < count; i += 1) block[i] = packed[i % 2 ? Math.ceil(count / 2) + (i >> 1) : i >> 1];
    }
    for (let line = 0, place = 0; place < count; line += 1) {
      for (const { wide, values } of channels) {
        for (let x = 0; x < width; x += 1, place += wide) {
          values[(row + line) * width + x] = wide === 2 ? half(block.readUInt16LE(place)) : block.readFloatLE(place);
        }
      }
    }
  }
  return { width, height, channels: Object.fromEntries(channels.map(({ name, values }) => [name, values])) };
}

if (process.argv.length === 4) {
  const files = readFiles(...process.argv.slice(2));
  const meta = JSON.parse(files["meta.json"]), { width, height, channels: { R, G, B } } = decodeExr(files["normal.exr"]);
  const depth = decodeExr(files["depth.exr"]).channels.Z.filter(Number.isFinite);
  const middle = (height >> 1) * width + (width >> 1);
  const found = { object: meta.object.id, size: [width, height], normal: [R[middle], G[middle], B[middle]],
    pixels: R.filter((x, i) => x || G[i] || B[i]).length, nearest: Math.min(...depth) };
  console.log(JSON.stringify(found));
}
