// A finished artifact as an element: a picture or a clip that loops; and what the server says of how it was made.

import { h, prefersStillness } from "./dom.js";
import { plus } from "./exact-json.js";

/** The stages of a job that make its result, as the server measured them: `[name, seconds]`. */
export function stages(job) {
    const { text, steps = [], decode, encode } = job.timings ?? {};
    const stepping = steps.length > 0 ? steps.reduce((sum, step) => sum + step.seconds, 0) : null;
    return [["text", text], [steps.length === 1 ? "1 step" : `${steps.length} steps`, stepping],
        ["decoding", decode], ["encoding", encode]]
        .filter(([, seconds]) => seconds !== null && seconds !== undefined);
}

/** Seconds of computing of a finished job: without its time in the queue and its previews, which are this page's wish. */
export const computing = (job) => stages(job).reduce((sum, [, seconds]) => sum + seconds, 0);

/** "0.05 s", "12.3 s", "4 min 10 s" */
export function secondsText(seconds) {
    if (seconds < 100) return `${seconds.toFixed(seconds >= 10 ? 1 : 2)} s`;
    const whole = Math.round(seconds);
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
    return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Of what is not known exactly: "1 s", "about 40 s" is said by who uses it. */
export const roughly = (seconds) =>
    seconds < 1 ? `${Math.max(0.1, seconds).toFixed(1)} s` : seconds < 100 ? `${Math.round(seconds)} s` : secondsText(seconds);

export const isClip = (artifact) => artifact.content_type.startsWith("video/");

/** @param controls false where the element stands inside a button or is played by a bar of the page's own. */
export function mediaElement(artifact, url, description, controls = true) {
    if (!isClip(artifact)) return h("img", { src: url, alt: description, loading: "lazy", draggable: "true" });
    return clipElement(url, description, controls);
}

export function clipElement(url, description, controls = false) {
    const still = prefersStillness();
    const video = h("video", {
        src: url, loop: true, autoplay: !still, playsinline: true, controls, "aria-label": description,
        preload: still ? "metadata" : "auto",
    });
    // The attribute alone does not mute an element made by script, and sound bars autoplay.
    video.muted = true;
    return video;
}

/** For those who want stillness a clip in a button plays while the pointer or the focus is on it. */
export function playUnderThePointer() {
    const clipIn = ({ target }) => prefersStillness() && target.closest?.("button")?.querySelector("video");
    for (const name of ["pointerover", "focusin"]) {
        document.addEventListener(name, (event) => (clipIn(event) || null)?.play().catch(() => {}));
    }
    for (const name of ["pointerout", "focusout"]) document.addEventListener(name, (event) => (clipIn(event) || null)?.pause());
}

/** The seed of the picture at `index` of a job, as digits: each picture has its own. */
export const seedOf = (job, index) => plus(job.parameters.seed, index);

/** "dog-on-the-beach-7.png": a name that says what it is wherever it ends up. */
export function fileName(job, artifact, index) {
    const words = job.parameters.prompt.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
    const ending = { "video/mp4": "mp4", "image/jpeg": "jpg", "image/webp": "webp" }[artifact.content_type] ?? "png";
    return `${words.slice(0, 60) || "phasor"}-${seedOf(job, index)}.${ending}`;
}
