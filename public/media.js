// A finished artifact as an element: a picture or a clip that loops.

import { h, prefersStillness } from "./dom.js";

/** The stages of a job that make its result, as the server measured them: `[name, seconds]`. */
export function stages(job) {
    const { text, steps = [], decode, encode } = job.timings ?? {};
    const stepping = steps.length > 0 ? steps.reduce((sum, step) => sum + step.seconds, 0) : null;
    return [["text", text], [steps.length === 1 ? "1 step" : `${steps.length} steps`, stepping],
        ["decoding", decode], ["encoding", encode]]
        .filter(([, seconds]) => seconds !== null && seconds !== undefined);
}

/** Seconds a finished job took, without its time in the queue and without its previews: those are this page's wish. */
export const latency = (job) => stages(job).reduce((sum, [, seconds]) => sum + seconds, 0);

export function secondsText(seconds) {
    if (seconds >= 100) return `${Math.round(seconds)} s`;
    return `${seconds.toFixed(seconds >= 10 ? 1 : 2)} s`;
}

/** @param controls false where the element stands inside a button. */
export function mediaElement(artifact, url, description, controls = true) {
    if (!artifact.content_type.startsWith("video/")) return h("img", { src: url, alt: description, loading: "lazy" });
    const still = prefersStillness();
    const video = h("video", {
        src: url, loop: true, autoplay: !still, playsinline: true, controls, "aria-label": description,
        preload: still ? "metadata" : "auto",
    });
    // The attribute alone does not mute an element made by script, and sound bars autoplay.
    video.muted = true;
    if (still && !controls) {
        video.addEventListener("pointerenter", () => video.play());
        video.addEventListener("pointerleave", () => video.pause());
    }
    return video;
}

/** The seed of the picture at `index` of a job: each has its own. */
export const seedOf = (job, index) => job.parameters.seed + index;
