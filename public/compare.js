// Results of the same prompt and seed beside each other: what each cost, clips in step, and one laid over the other.

import { byID, h } from "./dom.js";
import { InStep } from "./in-step.js";
import { computing, mediaElement, secondsText } from "./media.js";

export class Comparison {
    #host = byID("comparison");
    #announce;
    #player = null;

    constructor(announce) {
        this.#announce = announce;
    }

    clear() {
        this.#player?.close();
        this.#player = null;
        this.#host.replaceChildren();
        this.#host.hidden = true;
    }

    /** @param runs of one request by several generators; those without a result are left out. */
    show(runs) {
        this.clear();
        const made = runs.filter(({ finished }) => finished !== null);
        if (made.length < 2) return;
        const parts = [];
        if (!made[0].blind) {
            const words = verdict(made);
            parts.push(h("p", { class: "verdict", id: "verdict" }, words));
            this.#announce(words);
        }
        parts.push(...this.#views(made));
        this.#host.replaceChildren(...parts);
        this.#host.hidden = false;
    }

    /** The slider and the bar of the clips. In a blind test there is the bar alone. */
    #views(made) {
        const isClip = made.every(({ entries }) => entries[0].isClip);
        const parts = [];
        if (isClip) {
            this.#player = new InStep(made.map(({ panel }) => panel.media[0]), made[0].finished.parameters.fps);
            parts.push(this.#player.element);
        }
        if (made.length !== 2 || made[0].blind) return parts;
        const slider = h("details", { class: "drawer overlay" }, h("summary", {}, "One over the other"));
        slider.addEventListener("toggle", () => {
            if (!slider.open || slider.childElementCount > 1) return;
            const wipe = new Wipe(made);
            slider.append(wipe.element);
            if (isClip) this.#player.join(wipe.media);
        });
        return [...parts, slider];
    }
}

/** What the same prompt and seed cost each generator, as the server measured it. */
function verdict(made) {
    const times = made
        .map(({ plan, finished }) => ({ title: plan.title, seconds: computing(finished) }))
        .sort((a, b) => a.seconds - b.seconds);
    const [fastest, slowest] = [times[0], times.at(-1)];
    return `Same prompt, same seed: ${fastest.title} computed ${secondsText(fastest.seconds)}, ` +
        `${slowest.title} ${secondsText(slowest.seconds)}, ${(slowest.seconds / fastest.seconds).toFixed(1)} times as long.`;
}

/** Two of one size, one over the other, with a border that moves. */
class Wipe {
    media;
    element;

    constructor([left, right]) {
        this.media = [left, right].map(({ entries: [entry] }) =>
            mediaElement(entry.artifact, entry.url, `${entry.prompt}, by ${entry.job.parameters.generator}`, false));
        const [over, under] = this.media;
        over.classList.add("wipe-over");
        const range = h("input", {
            type: "range", min: 0, max: 100, value: 50, class: "wipe-range",
            "aria-label": `Border between ${left.plan.title} on the left and ${right.plan.title} on the right`,
        });
        const { width, height } = left.entries[0].job.parameters;
        this.element = h("div", { class: "wipe" }, under, over,
            h("span", { class: "wipe-name left", "aria-hidden": "true" }, left.plan.title),
            h("span", { class: "wipe-name right", "aria-hidden": "true" }, right.plan.title),
            range, h("span", { class: "wipe-border", "aria-hidden": "true" }));
        this.element.style.aspectRatio = `${width} / ${height}`;
        const move = () => this.element.style.setProperty("--border", `${range.value}%`);
        range.addEventListener("input", move);
        move();
    }
}
