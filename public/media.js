// A finished artifact as an element: a picture or a clip that loops.

import { h, prefersStillness } from "./dom.js";

/** Seconds a job took on the server, waiting in the queue apart; null for one that has not finished. */
export const latency = (job) => (job.started_at && job.finished_at ? job.finished_at - job.started_at : null);

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
