// What is being made: one panel per generator, with the pictures, the prediction after each step, and the time taken.

import { Clock } from "./clock.js";
import { h } from "./dom.js";
import { seedButton, tools } from "./entry.js";
import { computing, mediaElement, roughly, secondsText, stages } from "./media.js";
import { costText, phaseAt, phaseTitle, sigmaText } from "./plan.js";

/** Pixels of the noise that a picture begins as, until there is a prediction. */
const NOISE = 48;

export class RunPanel {
    #plan;
    #clock;
    #tiles;
    #isBlind;
    #title;
    #cost;
    #expected = null;
    #lost = false;
    #words = "";
    #status = h("p", { class: "run-status" }, "Waiting for its turn");
    #time = h("p", { class: "run-time", "aria-hidden": "true" });
    #film = h("ol", { class: "film", "aria-label": "The picture as predicted after each step" });
    #tools = h("div", { class: "run-tools", hidden: true });
    #bar;
    #isClip;
    /** The seconds that stay on the clock. */
    #shown = 0;
    element;

    /** @param name a letter in a blind test, which says nothing of who made it; else null. */
    constructor({ plan, body }, name = null) {
        this.#plan = plan;
        this.#isBlind = name !== null;
        this.#isClip = body.kind === "video";
        this.#clock = new Clock((seconds) => this.#tick(seconds));
        const title = name ?? plan.title;
        this.#bar = h("progress", { max: plan.steps, value: 0, "aria-label": `${title}, steps done` });
        const [width, height] = body.size.split("x").map(Number);
        this.#tiles = Array.from({ length: Math.min(10, Math.max(1, Number(body.n ?? 1) || 1)) }, () => {
            const tile = h("div", { class: "tile" }, noise());
            if (width > 0 && height > 0) tile.style.aspectRatio = `${width} / ${height}`;
            return tile;
        });
        this.#title = h("h3", {}, title);
        this.#cost = h("p", { class: "run-cost" }, this.#isBlind ? "" : costText(plan));
        const shape = width > height * 1.2 ? "wide" : height > width * 1.2 ? "tall" : "square";
        this.element = h("article", { class: `run waiting ${shape}`, "aria-label": title },
            h("div", { class: `tiles tiles-${this.#tiles.length === 1 ? "one" : "many"}` }, ...this.#tiles),
            h("div", { class: "run-notes" },
                h("header", { class: "run-head" }, this.#title, this.#cost, this.#time),
                this.#bar, this.#status, this.#film, this.#tools));
    }

    /** @param seconds that it will take by what was measured before; null for not known. */
    expect(seconds) {
        this.#expected = seconds;
    }

    queued(job) {
        const position = job.queue_position ?? 0;
        const eta = job.eta_seconds > 1 ? `, about ${roughly(job.eta_seconds)}` : "";
        this.say(position > 0 ? `${position} before it${eta}` : `Next in line${eta}`);
    }

    /** After each step, and once before the first. */
    step(job) {
        this.#clock.start();
        this.element.classList.remove("waiting");
        this.#bar.max = job.steps;
        this.#bar.value = job.step;
        if (typeof job.eta_seconds === "number") this.#expected = this.#clock.seconds + job.eta_seconds;
        else if (job.step > 2 && job.steps > 8) this.#expected = this.#byPace(job);
        if (job.step >= job.steps) return this.say("Last step done");
        // Another number of steps than the plan's has other sigmas: then the job tells the one it was at.
        const sigma = job.steps === this.#plan.steps ? this.#plan.sigmas[job.step] : (job.sigma ?? 1);
        const phase = phaseAt(this.#plan, sigma);
        this.say(`Step ${job.step + 1} of ${job.steps}, ${phaseTitle(phase, ", ")}`, phase.hue);
    }

    /** The decoded x0 of a step. */
    preview(job) {
        const { step, image, b64_json: data } = job.preview;
        const source = `data:image/${job.parameters.output_format ?? "png"};base64,${data}`;
        const index = image ?? 0;
        const words = `Predicted after step ${step}`;
        this.#tiles[index]?.replaceChildren(h("img", { src: source, alt: words }));
        if (index === 0 && this.#tiles.length === 1) this.#frame(step, job, h("img", { src: source, alt: words }));
    }

    say(words, hue = null) {
        this.#words = words;
        this.#status.replaceChildren(...(hue ? [h("span", { class: `swatch hue-${hue}` })] : []), words);
    }

    /** The server is gone, or back. */
    lose(isLost) {
        if (isLost === this.#lost) return;
        this.#lost = isLost;
        this.element.classList.toggle("lost", isLost);
        if (isLost) this.#status.replaceChildren("The server does not answer. It goes on here when the server is back.");
        else this.say(this.#words);
    }

    /** @param actions `{open, copy}`, each called with an entry. */
    finish(job, entries, actions) {
        // Seconds as a visitor waited, from the first step on; what was computed stands below.
        this.#shown = this.#clock.stop(job.finished_at - job.started_at);
        this.lose(false);
        this.element.classList.remove("waiting");
        this.#bar.value = this.#bar.max;
        this.say(this.#isBlind ? "Done" : breakdown(job));
        for (const entry of entries) {
            const words = `${entry.prompt}, seed ${entry.seed}`;
            const media = mediaElement(entry.artifact, entry.url, words, false);
            this.#tiles[entry.index]?.replaceChildren(h("button", {
                type: "button", class: "show", "aria-label": `Large view: ${words}`,
                onclick: () => this.#isBlind || actions.open(entry),
            }, media));
            this.#tiles[entry.index]?.classList.add("finished");
        }
        if (!this.#isClip && this.#tiles.length === 1 && this.#film.childElementCount > 0) {
            this.#frame(job.steps, job, h("img", { src: entries[0].url, alt: "Finished" }));
        }
        if (entries.length === 1 && !this.#isBlind) {
            this.#tools.replaceChildren(seedButton(entries[0], actions), ...tools(entries[0], actions));
            this.#tools.hidden = false;
        }
        if (!this.#isBlind) this.#showTime();
        this.element.classList.add("finished");
    }

    /** The blind test has been decided: who it was, and how long it took. */
    reveal(job) {
        this.#isBlind = false;
        this.#title.textContent = `${this.#title.textContent} is ${this.#plan.title}`;
        this.#cost.textContent = costText(this.#plan);
        this.say(breakdown(job));
        this.#showTime();
    }

    /** @param buttons what to do next with the only picture. */
    offer(buttons) {
        this.#tools.before(h("div", { class: "run-steps" }, ...buttons));
    }

    /** Ended without a result. */
    end(words) {
        this.#clock.stop();
        this.#lost = false;
        this.element.classList.remove("waiting", "lost");
        this.element.classList.add("ended");
        this.say(words);
    }

    /** The finished media elements, in their order. */
    get media() {
        return this.#tiles.map((tile) => tile.querySelector("video, img"));
    }

    #showTime() {
        this.#time.textContent = secondsText(this.#shown);
        this.#time.removeAttribute("aria-hidden");
    }

    #tick(seconds) {
        const left = this.#expected === null ? 0 : this.#expected - seconds;
        this.#time.textContent = `${seconds.toFixed(1)} s${left > 2 ? `, about ${roughly(left)} left` : ""}`;
    }

    /** Of a run of many steps: the rest at the pace of those done, and a tenth for decoding. */
    #byPace({ timings, step, steps }) {
        const done = (timings?.steps ?? []).slice(1);
        if (done.length === 0) return this.#expected;
        const pace = done.reduce((sum, { seconds }) => sum + seconds, 0) / done.length;
        return this.#clock.seconds + pace * (steps - step);
    }

    /** A job that is taken up again shows its steps again: each has one place. */
    #frame(step, { timings }, image) {
        const sigma = timings?.steps?.[step - 1]?.sigma ?? this.#plan.sigmas[Math.min(step, this.#plan.sigmas.length) - 1];
        const hue = phaseAt(this.#plan, sigma).hue;
        const frame = h("li", { class: `hue-${hue}`, "data-step": step }, image, h("span", {}, `σ ${sigmaText(sigma)}`));
        const before = this.#film.querySelector(`[data-step="${step}"]`);
        if (before) before.replaceWith(frame);
        else this.#film.append(frame);
    }
}

/** Where the time went, as the server measured it. */
function breakdown(job) {
    const parts = stages(job)
        .filter(([, seconds]) => seconds >= 0.005)
        .map(([name, seconds]) => `${name} ${secondsText(seconds)}`)
        .join(", ");
    const [all, whole] = [computing(job), job.finished_at - job.started_at];
    const more = whole - all >= 0.05 ? `; previews and waiting ${secondsText(whole - all)} more` : "";
    return `Computed in ${secondsText(all)}: ${parts}${more}`;
}

/** Noise, which is what every picture is at sigma 1. */
function noise() {
    const canvas = h("canvas", { width: NOISE, height: NOISE, class: "noise", "aria-hidden": "true" });
    const context = canvas.getContext("2d");
    const image = context.createImageData(NOISE, NOISE);
    crypto.getRandomValues(image.data);
    for (let at = 3; at < image.data.length; at += 4) image.data[at] = 255;
    context.putImageData(image, 0, 0);
    return canvas;
}
