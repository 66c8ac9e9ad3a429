// What is being made: one panel per generator, with the pictures, the prediction after each step, and the time taken.

import { h } from "./dom.js";
import { latency, mediaElement, secondsText, seedOf, stages } from "./media.js";
import { costText, phaseAt, phaseTitle, sigmaText } from "./plan.js";

export class RunPanel {
    #plan;
    #started = null;
    #clock;
    #tiles;
    #status = h("p", { class: "run-status" }, "Waiting for its turn");
    #time = h("p", { class: "run-time", "aria-hidden": true });
    #film = h("ol", { class: "film", "aria-label": "The picture as predicted after each step" });
    #bar;
    #video;
    element;

    constructor({ plan, body }) {
        this.#plan = plan;
        this.#video = body.kind === "video";
        this.#bar = h("progress", { max: plan.steps, value: 0, "aria-label": `${plan.title}, steps done` });
        const [width, height] = body.size.split("x").map(Number);
        this.#tiles = Array.from({ length: Math.min(10, Math.max(1, Number(body.n ?? 1) || 1)) }, () => {
            const tile = h("div", { class: "tile" });
            if (width > 0 && height > 0) tile.style.aspectRatio = `${width} / ${height}`;
            return tile;
        });
        this.element = h("article", { class: "run waiting", "aria-label": plan.title },
            h("header", { class: "run-head" },
                h("h3", {}, plan.title),
                h("p", { class: "run-cost" }, costText(plan)),
                this.#time),
            h("div", { class: `tiles tiles-${this.#tiles.length === 1 ? "one" : "many"}` }, ...this.#tiles),
            h("div", { class: "run-notes" }, this.#bar, this.#status, this.#film));
    }

    queued(position) {
        this.#status.textContent = position > 0 ? `Waiting: ${position} ahead` : "Next in line";
    }

    /** After each step, and once before the first. */
    step(job) {
        if (this.#started === null) this.#startClock();
        this.element.classList.remove("waiting");
        this.#bar.value = job.step;
        if (job.step >= job.steps) return this.say("Last step done");
        const sigma = this.#plan.sigmas[job.step];
        const phase = phaseAt(this.#plan, sigma);
        this.#status.replaceChildren(
            h("span", { class: `swatch hue-${phase.hue}` }),
            `Step ${job.step + 1} of ${job.steps}, ${phaseTitle(phase, ", ")}`);
    }

    /** The decoded x0 of a step. */
    preview({ step, image, source }) {
        const index = image ?? 0;
        const tile = this.#tiles[index];
        if (!tile) return;
        const words = `Predicted after step ${step}`;
        tile.replaceChildren(h("img", { src: source, alt: words }));
        if (index === 0 && this.#tiles.length === 1) this.#frame(step, h("img", { src: source, alt: words }));
    }

    say(words) {
        this.#status.textContent = words;
    }

    /** @param urls of the job's artifacts, in their order. */
    finish(job, urls) {
        this.#stopClock();
        this.element.classList.remove("waiting");
        this.#bar.value = this.#plan.steps;
        this.#time.textContent = secondsText(latency(job));
        this.#time.removeAttribute("aria-hidden");
        this.#status.textContent = breakdown(job);
        job.artifacts.forEach((artifact, index) => {
            const words = `${job.parameters.prompt}, seed ${seedOf(job, index)}`;
            const tile = this.#tiles[index];
            tile?.replaceChildren(mediaElement(artifact, urls[index], words));
            tile?.classList.add("finished");
        });
        if (!this.#video && this.#tiles.length === 1 && this.#film.childElementCount > 0) {
            this.#frame(this.#plan.steps, h("img", { src: urls[0], alt: "Finished" }));
        }
        this.element.classList.add("finished");
    }

    /** Ended without a result. */
    end(words) {
        this.#stopClock();
        this.element.classList.remove("waiting");
        this.element.classList.add("ended");
        this.#status.textContent = words;
    }

    #frame(step, image) {
        const sigma = this.#plan.sigmas[step - 1];
        const hue = phaseAt(this.#plan, sigma).hue;
        this.#film.append(h("li", { class: `hue-${hue}` }, image, h("span", {}, `σ ${sigmaText(sigma)}`)));
    }

    #startClock() {
        this.#started = performance.now();
        this.#clock = setInterval(() => {
            this.#time.textContent = `${((performance.now() - this.#started) / 1000).toFixed(1)} s`;
        }, 100);
    }

    #stopClock() {
        clearInterval(this.#clock);
    }
}

/** Where the time went, as the server measured it; the parts make up the time that is shown. */
function breakdown(job) {
    const parts = stages(job)
        .filter(([, seconds]) => seconds >= 0.005)
        .map(([name, seconds]) => `${name} ${secondsText(seconds)}`)
        .join(", ");
    const more = job.finished_at - job.started_at - latency(job);
    return more >= 0.005 ? `${parts}; previews and bookkeeping ${secondsText(more)} more` : parts;
}
