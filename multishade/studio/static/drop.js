// SPDX-License-Identifier: Apache-2.0
// Files that are dropped, pasted or chosen -> one photo, several photos, or one set of photographs with lights.

const TABLE = /\.(txt|lp|csv|npy|npz|mat)$/i;
const LIGHTS = /^(light_directions|lights?)\.|\.lp$/i;
const ASIDE = /^(mask|ambient|ball_mask)\./i;
const CODED = /\.(jpe?g|jpe|jfif|mpo|webp|avif|hei[cf]|hif)$/i;

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((take, fail) => entry.file(take, fail))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((take, fail) => reader.readEntries(take, fail));
    if (!some.length) break;
    for (const each of some) if (each.isFile) found.push(...(await filesOf(each)));
  }
  return found;
}

/** All files of a drop, those of dropped folders too, and the name of the first folder. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((each) => each.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return { files: [...transfer.files], folder: null };
  const folder = entries.find((each) => each.isDirectory)?.name ?? null;
  const files = (await Promise.all(entries.map(filesOf))).flat();
  return { files: files.filter((file) => !file.name.startsWith(".")), folder };
}

/**
 * Calls photos(files) and set(name, files, {ball, srgb}); asks what several files are.
 */
export function makeDrop({ photos, set, failed }) {
  const area = document.getElementById("drop");
  const input = document.getElementById("files");
  const form = document.getElementById("several");
  let waiting = null;

  function take(files, folder) {
    form.hidden = true;
    if (!files.length) return;
    if (files.length === 1 && !folder) {
      photos(files);
      return;
    }
    const lights = files.filter((file) => TABLE.test(file.name) && LIGHTS.test(file.name));
    const pictures = files.filter((file) => !TABLE.test(file.name));
    const shown = pictures.filter((file) => !ASIDE.test(file.name));
    waiting = { files, pictures, name: folder || `${shown.length} photographs` };
    const choose = (name, value) => {
      form.elements[name].value = value;
    };
    document.getElementById("counted").textContent = `${shown.length} photographs`;
    document.getElementById("lights-file").textContent = lights.length ? lights[0].name : "a file of lights (there is none)";
    form.querySelector("[name=lights][value=file]").disabled = !lights.length;
    choose("lights", lights.length ? "file" : "chrome");
    choose("together", lights.length || folder ? "set" : "photos");
    choose("srgb", shown.every((file) => CODED.test(file.name)) ? "1" : "0");
    changed();
    form.hidden = false;
    form.querySelector("[name=together]:checked").focus();
  }

  function changed() {
    document.getElementById("set-options").hidden = form.elements.together.value !== "set";
  }

  form.addEventListener("change", changed);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    form.hidden = true;
    const { together, lights, srgb } = form.elements;
    if (together.value === "photos") photos(waiting.pictures);
    else set(waiting.name, waiting.files, { ball: lights.value === "file" ? null : lights.value, srgb: srgb.value === "1" });
  });
  document.getElementById("cancel").addEventListener("click", () => {
    form.hidden = true;
    input.focus();
  });
  input.addEventListener("change", () => {
    take([...input.files], null);
    input.value = "";
  });
  for (const type of ["dragenter", "dragover"]) {
    addEventListener(type, (event) => {
      event.preventDefault();
      area.classList.add("over");
    });
  }
  for (const type of ["dragleave", "drop"]) addEventListener(type, () => area.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    dropped(event.dataTransfer).then(({ files, folder }) => take(files, folder), failed);
  });
  addEventListener("paste", (event) => take([...event.clipboardData.files], null));
}
