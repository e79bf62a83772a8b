// SPDX-License-Identifier: Apache-2.0
// The page of `multishade-inspect --html`: a gallery out of the data in the page, the large view of a sample.
import { SampleDialog } from "./dialog.js";
import { element } from "./sample.js";

const at = (id) => document.getElementById(id);
const samples = JSON.parse(at("data").textContent);

async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

const dialog = new SampleDialog({
  load: async (number) => {
    const { side, data } = samples[number].packed;
    const normals = async () => ({ width: side, height: side, normals: new Int16Array(await unpack(data)) });
    return { ...samples[number], normals };
  },
  count: () => samples.length,
  closed: (number) => at("gallery").children[number].focus(),
});

for (const [number, sample] of samples.entries()) {
  const picture = element("img", { src: sample.pictures[0].url, alt: "", loading: "lazy", width: "144", height: "144" });
  const wrong = sample.findings.length ? [element("span", { class: "wrong" }, sample.findings[0])] : [];
  at("gallery").append(
    element(
      "button", { type: "button", onclick: () => dialog.open(number) },
      picture, element("span", {}, sample.title), element("span", { class: "quiet" }, sample.key), ...wrong,
    ),
  );
}
