// SPDX-License-Identifier: Apache-2.0
// The page of `multishade-inspect --html`: a gallery out of the data in the page, the large view of a sample.
import { element, showSample } from "./sample.js";

const at = (id) => document.getElementById(id);
const samples = JSON.parse(at("data").textContent);
let opened = 0;

async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

function open(number) {
  opened = number;
  const sample = samples[number];
  const { side, data } = sample.packed;
  const normals = async () => ({ width: side, height: side, normals: new Int16Array(await unpack(data)) });
  showSample(at("sample"), { ...sample, normals });
  at("previous").disabled = number === 0;
  at("next").disabled = number === samples.length - 1;
  if (!at("dialog").open) at("dialog").showModal();
  at("dialog").scrollTop = 0;
}

for (const [number, sample] of samples.entries()) {
  const picture = element("img", { src: sample.pictures[0].url, alt: "", loading: "lazy", width: "144", height: "144" });
  const wrong = sample.findings.length ? [element("span", { class: "wrong" }, sample.findings[0])] : [];
  at("gallery").append(
    element(
      "button", { type: "button", onclick: () => open(number) },
      picture, element("span", {}, sample.title), element("span", { class: "quiet" }, sample.key), ...wrong,
    ),
  );
}
at("close").addEventListener("click", () => at("dialog").close());
at("previous").addEventListener("click", () => open(opened - 1));
at("next").addEventListener("click", () => open(opened + 1));
at("dialog").addEventListener("close", () => {
  at("sample").replaceChildren();
  at("gallery").children[opened].focus();
});
