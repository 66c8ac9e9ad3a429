// What made a picture, read from the picture: the `parameters` text of a PNG, Exif's UserComment of a JPEG or WebP and the
// comment of an MP4, in the words of the A1111 web UI. Files are read as bytes; nothing in them is trusted to be whole.

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** The text of how a file was made, or null where it says nothing. */
export function textOf(buffer) {
    const bytes = new Uint8Array(buffer);
    if (PNG.every((byte, index) => bytes[index] === byte)) return pngText(bytes, "parameters");
    if (fourCC(bytes, 4) === "ftyp") return mp4Comment(bytes);
    if (bytes[0] === 0xff && bytes[1] === 0xd8) return exifComment(jpegExif(bytes));
    if (fourCC(bytes, 0) === "RIFF" && fourCC(bytes, 8) === "WEBP") return exifComment(webpExif(bytes));
    return null;
}

/** A text chunk of that keyword: tEXt is Latin-1, iTXt UTF-8 (PNG, third edition, 11.3.3); compressed ones are left. */
function pngText(bytes, keyword) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = PNG.length; at + 12 <= bytes.length; ) {
        const length = view.getUint32(at);
        const end = at + 8 + length;
        if (end + 4 > bytes.length) return null;
        const type = fourCC(bytes, at + 4);
        const data = bytes.subarray(at + 8, end);
        const zero = data.indexOf(0);
        if ((type === "tEXt" || type === "iTXt") && zero > 0 && latin1(data.subarray(0, zero)) === keyword) {
            if (type === "tEXt") return latin1(data.subarray(zero + 1));
            if (data[zero + 1] === 0) return iTXt(data.subarray(zero + 3));
        }
        if (type === "IEND") return null;
        at = end + 4;
    }
    return null;
}

/** Behind the compression's two bytes: language tag, translated keyword, each with a zero behind it, and the text. */
function iTXt(data) {
    const language = data.indexOf(0);
    const translated = language < 0 ? -1 : data.indexOf(0, language + 1);
    return translated < 0 ? null : utf8(data.subarray(translated + 1));
}

/** moov/udta/meta/ilst/©cmt/data of an MP4. */
function mp4Comment(bytes) {
    let within = bytes;
    for (const name of ["moov", "udta", "meta", "ilst", "\u00a9cmt", "data"]) {
        within = box(within, name);
        if (within === null) return null;
        // `meta` begins with version and flags; `data` with its type and its locale.
        if (name === "meta") within = within.subarray(4);
        if (name === "data") within = within.subarray(8);
    }
    return utf8(within);
}

/** The segment APP1 of a JPEG that says Exif, without its name; each begins with FF, a marker and a length. */
function jpegExif(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 2; at + 10 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda; ) {
        const end = at + 2 + view.getUint16(at + 2);
        if (bytes[at + 1] === 0xe1 && fourCC(bytes, at + 4) === "Exif") return bytes.subarray(at + 10, end);
        at = end;
    }
    return null;
}

/** The chunk EXIF of a WebP; chunks have a type, a length and data of an even length. */
function webpExif(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 12; at + 8 <= bytes.length; ) {
        const length = view.getUint32(at + 4, true);
        if (fourCC(bytes, at) === "EXIF") return bytes.subarray(at + 8, at + 8 + length);
        at += 8 + length + (length % 2);
    }
    return null;
}

/** UserComment (9286) of the Exif directory (8769) of a TIFF file: eight bytes of its coding, and the text. */
function exifComment(bytes) {
    if (bytes === null || bytes.length < 8) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const little = bytes[0] === 0x49;
    const entry = (directory, tag) => {
        const count = view.getUint16(directory, little);
        for (let at = directory + 2, left = count; left > 0; at += 12, left -= 1)
            if (view.getUint16(at, little) === tag) return at;
        throw new RangeError("no such tag");
    };
    try {
        const exif = view.getUint32(entry(view.getUint32(4, little), 0x8769) + 8, little);
        const at = entry(exif, 0x9286);
        const start = view.getUint32(at + 8, little);
        const comment = bytes.subarray(start, start + view.getUint32(at + 4, little));
        const coding = latin1(comment.subarray(0, 7)) === "UNICODE" ? (little ? "utf-16le" : "utf-16be") : "utf-8";
        return new TextDecoder(coding).decode(comment.subarray(8)).replace(/\0+$/, "");
    } catch (error) {
        // A view throws for what lies beyond its end.
        if (error instanceof RangeError) return null;
        throw error;
    }
}

function box(bytes, name) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at + 8 <= bytes.length; ) {
        let [size, head] = [view.getUint32(at), 8];
        if (size === 1 && at + 16 <= bytes.length) [size, head] = [Number(view.getBigUint64(at + 8)), 16];
        if (size === 0) size = bytes.length - at;
        if (size < head || at + size > bytes.length) return null;
        if (fourCC(bytes, at + 4) === name) return bytes.subarray(at + head, at + size);
        at += size;
    }
    return null;
}

const latin1 = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
const utf8 = (bytes) => new TextDecoder().decode(bytes);
const fourCC = (bytes, at) => latin1(bytes.subarray(at, at + 4));

/**
 * The fields of a job's `parameters` that a text tells, the seed as digits; null where it is no such text.
 * `prompt`, then `Negative prompt: ...` where there is one, then a line of `Name: value` pairs.
 */
export function parametersOf(text) {
    const lines = text.split("\n");
    const last = lines.findLastIndex((line) => /^Steps: \d+/.test(line));
    if (last < 1) return null;
    const pairs = new Map(
        Array.from(lines[last].matchAll(/([A-Za-z][A-Za-z0-9 ]*): ("(?:[^"\\]|\\.)*"|[^,]*)/g), ([, name, value]) =>
            [name.toLowerCase(), unquoted(value.trim())]));
    const negative = lines.slice(1, last).findIndex((line) => line.startsWith("Negative prompt: ")) + 1;
    const tagged = lines.slice(0, negative || last).join("\n").trim();
    const [, width, height] = /^(\d+)x(\d+)$/.exec(pairs.get("size") ?? "") ?? [];
    const number = (name) => (pairs.has(name) && Number.isFinite(Number(pairs.get(name))) ? Number(pairs.get(name)) : null);
    return {
        prompt: tagged.replace(LORA, "").replace(/ {2,}/g, " ").trim(),
        loras: Array.from(tagged.matchAll(LORA), ([, name, strength, expert]) =>
            ({ name, strength: Number(strength ?? 1), ...(expert && { expert }) })),
        negative_prompt: negative ? lines.slice(negative, last).join("\n").slice("Negative prompt: ".length) : null,
        kind: pairs.has("frames") ? "video" : "image",
        image: pairs.get("input picture") ?? null,
        strength: number("denoising strength"),
        num_inference_steps: number("steps"),
        guidance_scale: number("cfg scale"),
        guidance_scale_2: number("cfg scale 2"),
        seed: /^\d+$/.test(pairs.get("seed") ?? "") ? pairs.get("seed") : null,
        width: width ? Number(width) : null,
        height: height ? Number(height) : null,
        num_frames: number("frames"),
        fps: number("fps"),
        model: pairs.get("model") ?? null,
        generator: pairs.get("generator") ?? null,
        decoder: pairs.get("vae decoder") === "tiny" ? "tiny" : null,
    };
}

/** What holds a comma, a colon or a line's end stands as a JSON string. */
function unquoted(value) {
    if (!/^".*"$/.test(value)) return value;
    try {
        return JSON.parse(value);
    } catch {
        return value;
    }
}

const LORA = /<lora:([^:<>]+)(?::(-?[\d.]+))?(?::expert=([^:<>]+))?[^<>]*>/g;
