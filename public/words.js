// What went wrong, in the words of the page: the API's name fields of requests, which a visitor never wrote.

import { APIError } from "./api.js";

/** Which field of the form an error's `param` belongs to. */
const FIELD_OF = {
    prompt: "prompt", kind: "kind", generator: "generator", size: "size", width: "size", height: "size",
    n: "count", num_frames: "length", seconds: "length", fps: "length", seed: "seed", negative_prompt: "negative",
    num_inference_steps: "steps", guidance_scale: "guidance", guidance_scale_2: "guidance", loras: "loras",
    image: "start", images: "start", strength: "start", fit: "start", crf: "quality", output_format: "format", model: "model",
};

/** "guidance_scale_2: 7 given; ..." without the field's name, which stands beside the message already. */
const withoutField = (text) => {
    const bare = text.replace(/^[a-z_0-9[\]]+(?::| is) /, "");
    return bare.charAt(0).toUpperCase() + bare.slice(1);
};

/**
 * @param model as the capabilities describe it, or null before they are known.
 * @returns `{field, text}`; the field of the form it belongs to, or null.
 */
export function inWords(error, model) {
    if (!(error instanceof APIError)) return { field: null, text: `The page failed: ${error.message}` };
    const field = FIELD_OF[error.param] ?? null;
    return { field, text: ofField(field, error, model) ?? ofStatus(error) ?? error.message };
}

function ofField(field, error, model) {
    if (field === null || model === null) return null;
    const { sizes, frames } = model;
    switch (field) {
        case "prompt":
            if (/empty|required/.test(error.message)) return "Say what is to be seen.";
            return /tokens|characters|bytes/.test(error.message) ? "This prompt is too long; say it in fewer words." : null;
        case "size": {
            const side = Math.floor(Math.sqrt(sizes.maximum_pixels) / sizes.multiple) * sizes.multiple;
            return `Width and height go in steps of ${sizes.multiple}, ` +
                `and the picture may be as large as ${side} × ${side} or another shape of that area.`;
        }
        case "length":
            return frames && `A clip of this model lasts at most ${secondsOf(frames.maximum, model.fps)} seconds.`;
        case "seed":
            return "A seed is a whole number from 0 to 9223372036854775807.";
        case "count":
            return "That many at once are too many.";
        case "steps":
            return `This way to generate does not take that many steps: ${withoutField(error.message)}`;
        default:
            return withoutField(error.message);
    }
}

function ofStatus({ status, code, retryAfter }) {
    const soon = retryAfter > 1 ? `in ${retryAfter} seconds` : "in a moment";
    if (status === 0) return "The server does not answer.";
    if (status === 401) return "This server asks for a key; its operator can give you one.";
    if (status === 403) return "This server does not take requests from this page.";
    if (status === 404 && code === "job_not_found") return "The server no longer knows this picture.";
    if (status === 410) return "This picture was kept for a while and is gone now. Its settings still make the same one.";
    if (status === 413) return "That is more than the server takes at once.";
    if (status === 429) return `Many pictures are waiting already; try again ${soon}.`;
    if (code === "shutting_down") return "The server is about to stop; try again when it is back.";
    if (code === "storage_error") return "The server's disk has no room for more pictures.";
    if (status === 503) return `The server has too much to do; try again ${soon}.`;
    return null;
}

/** Seconds that so many frames last; the first one is at time 0, as "5 seconds" of 81 frames are. */
export const secondsOf = (frames, fps) => Number(((frames - 1) / fps).toFixed(1));

/** "a, b and c" */
export function listed(words) {
    return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
