// Clips that play in step: one bar for all, and none is ever more than half a frame from the first.

import { h, prefersStillness } from "./dom.js";
import { icon } from "./icons.js";

export class InStep {
    #videos;
    #half;
    #button;
    #slider = h("input", { type: "range", min: 0, max: 1000, value: 0, step: 1, "aria-label": "Time in the clips" });
    #frame = 0;
    #isClosed = false;
    element;

    /** @param fps frames a second of the clips. */
    constructor(videos, fps) {
        this.#videos = videos;
        this.#half = 0.5 / fps;
        this.#button = h("button", { type: "button", class: "icon small", onclick: () => this.#toggle() });
        this.element = h("div", { class: "player" }, this.#button, this.#slider);
        for (const video of videos) {
            video.loop = false;
            video.autoplay = false;
            video.pause();
        }
        videos[0].addEventListener("ended", () => this.#restart());
        this.#slider.addEventListener("input", () => {
            for (const video of videos) video.currentTime = (Number(this.#slider.value) / 1000) * (videos[0].duration || 0);
        });
        this.#label();
        this.#begin();
    }

    close() {
        this.#isClosed = true;
        cancelAnimationFrame(this.#frame);
    }

    /** More clips that follow, such as those of another view. */
    join(videos) {
        for (const video of videos) {
            video.loop = false;
            video.autoplay = false;
        }
        this.#videos = [...this.#videos, ...videos];
        if (!this.#videos[0].paused) for (const video of videos) video.play().catch(() => {});
    }

    async #begin() {
        const ready = (video) => video.readyState >= 3 || new Promise((resolve) => {
            video.addEventListener("canplaythrough", resolve, { once: true });
            video.addEventListener("error", resolve, { once: true });
            video.load();
        });
        await Promise.all(this.#videos.map(ready));
        if (this.#isClosed) return;
        if (!prefersStillness()) this.#restart();
        this.#follow();
    }

    #restart() {
        for (const video of this.#videos) {
            video.currentTime = 0;
            video.play().catch(() => {});
        }
        this.#label();
    }

    #toggle() {
        const leader = this.#videos[0];
        if (leader.paused && leader.ended) return this.#restart();
        const play = leader.paused;
        for (const video of this.#videos) {
            if (play) video.play().catch(() => {});
            else video.pause();
        }
        this.#label();
    }

    #follow() {
        const [leader, ...others] = this.#videos;
        for (const video of others) {
            if (Math.abs(video.currentTime - leader.currentTime) > this.#half && !video.seeking) {
                video.currentTime = leader.currentTime;
            }
            if (video.paused !== leader.paused && !video.ended) {
                if (leader.paused) video.pause();
                else video.play().catch(() => {});
            }
        }
        if (document.activeElement !== this.#slider && leader.duration > 0) {
            this.#slider.value = Math.round((1000 * leader.currentTime) / leader.duration);
        }
        this.#frame = requestAnimationFrame(() => this.#follow());
    }

    #label() {
        const paused = this.#videos[0].paused;
        this.#button.replaceChildren(icon(paused ? "play" : "pause"));
        this.#button.setAttribute("aria-label", paused ? "Play both" : "Pause both");
    }
}
