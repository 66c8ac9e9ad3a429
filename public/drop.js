// A file that is dropped on the page, pasted, or chosen: a picture or clip of Phasor brings its settings back.

import { byID } from "./dom.js";
import { parametersOf, textOf } from "./parameters.js";

const LARGEST_BYTES = 64 << 20;

/** @param taken called with the file's `{name, parameters}`; parameters are null where it tells none. */
export function acceptFiles(taken) {
    const hasFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
    const over = (isOver) => {
        byID("drop").hidden = !isOver;
    };
    addEventListener("dragover", (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        over(true);
    });
    addEventListener("dragleave", ({ relatedTarget }) => {
        if (relatedTarget === null) over(false);
    });
    addEventListener("drop", (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        over(false);
        readAll([...event.dataTransfer.files], taken);
    });
    addEventListener("paste", ({ clipboardData }) => {
        const file = Array.from(clipboardData?.files ?? []).find(({ type }) => /^(image|video)\//.test(type));
        if (file) read(file, taken);
    });
    byID("file").addEventListener("change", ({ target }) => {
        if (target.files.length > 0) read(target.files[0], taken);
        target.value = "";
    });
}

/** Of several files at once the pictures count, not what they say. */
async function readAll(files, taken) {
    if (files.length < 2) return read(files[0], taken);
    for (const file of files) await taken({ name: file.name, file, parameters: null });
}

async function read(file, taken) {
    if (!file) return;
    const text = file.size <= LARGEST_BYTES ? textOf(await file.arrayBuffer()) : null;
    taken({ name: file.name, file, parameters: text === null ? null : parametersOf(text) });
}
