// What the visitor asks for: the fields, what the model allows in them, and objections beside them.

import { Choices } from "./choices.js";
import { byID, h } from "./dom.js";
import { whole } from "./exact-json.js";
import { Extras } from "./extras.js";
import { planOf } from "./plan.js";
import { lengthsOf, nearestShape, shapesOf } from "./shapes.js";
import { kindsOf } from "./start.js";
import { secondsOf } from "./words.js";

const OWN = "own";
const COUNTS = [1, 2, 4, 8];
const FIELDS = [
    "prompt", "start", "kind", "generator", "size", "length", "count", "seed", "negative", "steps", "guidance", "loras",
    "quality", "format", "decoder", "key",
];
const CONTROLS_OF = { size: ["width", "height"], start: ["picture"] };
const COMPARISONS = {
    beside: "Both make the same prompt and seed, one after the other.",
    all: "Each makes the same prompt and seed, one after the other.",
    blind: "Two unnamed results of the same prompt and seed: you say which is better, then they are named.",
};

const randomSeed = () => String(crypto.getRandomValues(new Uint32Array(1))[0]);

export class Form {
    #model;
    #limits;
    #plans;
    #shapes;
    #choices = Object.fromEntries(
        ["kind", "generator", "compare", "shape", "length", "count"].map((name) => [name, new Choices(name)]));
    #extras;
    #start;
    #changed;
    #locked = false;
    /** The seed in the field has made nothing yet. */
    #fresh = true;
    #listening = new AbortController();

    /**
     * @param start the picture to start from, which outlives the form.
     * @param changed called after every change, with no arguments.
     */
    constructor(model, limits, start, changed) {
        this.#model = model;
        this.#limits = limits;
        this.#start = start;
        this.#changed = changed;
        this.#plans = model.generators.map(planOf);
        this.#shapes = shapesOf(model);
        this.#extras = new Extras(model, limits);
        this.#fill();
        this.#start.serve(model, {
            changed: (sides) => this.#startChanged(sides), complain: (words) => this.complain("start", words),
        });
        this.#roll();
        const listen = (id, event, action) =>
            byID(id).addEventListener(event, action, { signal: this.#listening.signal });
        listen("dice", "click", () => {
            this.#roll();
            this.#lock(false);
            this.complain("seed", null);
        });
        listen("lock", "click", () => this.#lock(!this.#locked));
        listen("seed", "input", () => this.#lock(byID("seed").value.trim() !== ""));
        listen("form", "input", ({ target }) => {
            this.complain({ width: "size", height: "size", shape: "size" }[target.name] ?? target.name, null);
            this.#update();
        });
        this.#update();
    }

    /** Another model takes its place. */
    close() {
        this.#listening.abort();
    }

    get model() {
        return this.#model;
    }

    get kind() {
        return this.#choices.kind.value;
    }

    get comparison() {
        return this.#choices.compare.value ?? "off";
    }

    get prompt() {
        return byID("prompt").value.trim();
    }

    /** The plans of the generators that are asked for, in the order they will run. */
    get plans() {
        const chosen = this.plan(this.#choices.generator.value);
        if (this.comparison === "off") return [chosen];
        if (this.comparison === "all") return this.#plans;
        return [chosen === this.reference ? this.plan(this.#model.default_generator) : chosen, this.reference];
    }

    /** What the others are compared with: the one that takes the most evaluations. */
    get reference() {
        const most = Math.max(...this.#plans.map(({ nfe }) => nfe));
        const candidates = this.#plans.filter(({ nfe, name }) => nfe === most && name !== this.#model.default_generator);
        return candidates[0] ?? this.#plans.find(({ name }) => name !== this.#model.default_generator) ?? this.#plans[0];
    }

    get allPlans() {
        return this.#plans;
    }

    /** The plan of that name, or of the model's default. */
    plan(name) {
        return this.#plans.find((plan) => plan.name === name)
            ?? this.#plans.find((plan) => plan.name === this.#model.default_generator) ?? this.#plans[0];
    }

    get size() {
        const shape = this.#shapes[Number(this.#choices.shape.value)];
        return shape ?? { width: Number(byID("width").value), height: Number(byID("height").value) };
    }

    /** The bodies of `POST /v1/jobs`, one per generator; a seed is used once unless it is locked. */
    requests() {
        const seedField = byID("seed");
        if ((!this.#locked && !this.#fresh) || seedField.value.trim() === "") this.#roll();
        this.#fresh = false;
        this.#update();
        const own = this.#choices.generator.value;
        const { width, height } = this.size;
        return this.plans.map((plan) => ({
            plan,
            body: {
                kind: this.kind, model: this.#model.id, generator: plan.name, prompt: this.prompt,
                size: `${width}x${height}`, seed: whole(seedField.value.trim()),
                partial_images: this.comparison === "blind" ? 0 : this.#model.partial_images ?? this.#limits.partial_images,
                ...(this.kind === "video"
                    ? { num_frames: Number(this.#choices.length.value) } : { n: Number(this.#choices.count.value) }),
                ...this.#start.fields(this.kind),
                // Steps and guidance are the chosen one's; what it is compared with stays as it is.
                ...this.#extras.fields(this.kind, plan.name === own),
            },
        }));
    }

    /** What the request amounts to, for an estimate of its time. */
    parameters() {
        return {
            model: this.#model.id, kind: this.kind, ...this.size, num_frames: Number(this.#choices.length.value) || 1,
            n: this.kind === "image" ? Number(this.#choices.count.value) : 1,
            num_inference_steps: this.#extras.steps,
        };
    }

    /**
     * Fills the form with what made a picture; what is null or missing stays or takes the model's default.
     * @returns false where it was made from another picture that is not at hand.
     */
    reuse(parameters, seed = null) {
        const { kind, prompt, width, height, num_frames: frames, generator } = parameters;
        byID("prompt").value = prompt;
        if (width && height) this.#setSize(width, height);
        this.#choices.kind.choose(kind);
        this.#choices.compare.choose("off");
        if (kind === "video" && frames) this.#setLength(frames);
        this.#choices.count.choose(1);
        this.#choices.generator.choose(this.plan(generator).name);
        this.#extras.reuse(parameters, this.plan(generator));
        const isWhole = this.#start.reuse(parameters);
        this.setSeed(seed);
        this.clearErrors();
        this.#update();
        return isWhole;
    }

    /** @param seed digits, which are kept for the next ones too; null for a new one. */
    setSeed(seed) {
        if (seed === null) this.#roll();
        else byID("seed").value = seed;
        this.#fresh = seed === null;
        this.#lock(seed !== null);
    }

    setPrompt(prompt) {
        byID("prompt").value = prompt;
        this.complain("prompt", null);
        this.#update();
    }

    choose(group, value) {
        this.#choices[group].choose(value);
        this.#update();
    }

    /** A word that the model knows, at the end of the prompt. */
    addWord(word) {
        const field = byID("prompt");
        field.value = `${field.value.trimEnd()} ${word}`.trim();
        this.complain("prompt", null);
    }

    /** Shows a sentence at a field, or under the buttons; opens the drawers that hide the field. */
    show({ field, text }) {
        if (field === null || !byID(`${field}-error`)) {
            byID("form-error").textContent = text;
            byID("form-error").hidden = false;
            return;
        }
        if (field === "key") byID("key-field").hidden = false;
        this.complain(field, text);
        if (field === "size" && this.#choices.shape.value !== OWN) this.#choices.shape.choose(OWN);
        this.#update();
        for (let at = byID(`${field}-error`); at !== null; at = at.parentElement) {
            if (at instanceof HTMLDetailsElement) at.open = true;
        }
        const control = byID((CONTROLS_OF[field] ?? [field])[0]);
        (control.matches("input, textarea, select") ? control : control.querySelector(":checked") ?? control).focus();
    }

    clearErrors() {
        for (const name of FIELDS) this.complain(name, null);
        byID("form-error").hidden = true;
    }

    setBusy(busy) {
        byID("generate").disabled = busy;
        byID("surprise").hidden = busy;
        byID("cancel").hidden = !busy;
    }

    complain(field, message) {
        const note = byID(`${field}-error`);
        if (!note) return;
        note.textContent = message ?? "";
        note.hidden = !message;
        for (const id of CONTROLS_OF[field] ?? [field]) {
            const control = byID(id);
            if (!control?.matches("input, textarea")) continue;
            if (message) control.setAttribute("aria-invalid", "true");
            else control.removeAttribute("aria-invalid");
        }
    }

    #fill() {
        const { sizes, frames, fps } = this.#model;
        const kinds = kindsOf(this.#model);
        const names = { image: "Picture", video: "Clip" };
        this.#choices.kind.fill(kinds.map((kind) => ({ value: kind, text: names[kind] ?? kind })), kinds[0]);
        byID("kind-field").hidden = kinds.length < 2;
        this.#choices.generator.fill(
            this.#plans.map(({ name, title }) => ({ value: name, text: title })), this.#model.default_generator);
        const several = this.#plans.length > 1;
        byID("generator-field").hidden = !several;
        byID("compare-field").hidden = !several;
        this.#choices.compare.fill([
            { value: "off", text: "No" }, { value: "beside", text: `Beside ${this.reference.title.toLowerCase()}` },
            ...(this.#plans.length > 2 ? [{ value: "all", text: "All" }] : []), { value: "blind", text: "Blind test" },
        ], "off");
        this.#choices.shape.fill([
            ...this.#shapes.map(({ name, width, height }, index) => ({
                value: index, text: name, title: `${width} × ${height}`, mark: outline(width, height),
            })),
            { value: OWN, text: "Other" },
        ], 0);
        this.#setSize(...sizes.default.split("x").map(Number));
        for (const id of ["width", "height"]) {
            byID(id).min = sizes.multiple;
            byID(id).step = sizes.multiple;
        }
        if (frames) this.#fillLengths(lengthsOf({ frames, fps }), frames.default);
        const counts = COUNTS.filter((count) => count <= (this.#limits.n ?? 1));
        this.#choices.count.fill(counts.map((count) => ({ value: count, text: String(count) })), 1);
        if (this.#limits.prompt_characters) byID("prompt").maxLength = this.#limits.prompt_characters;
    }

    #fillLengths(lengths, chosen) {
        this.#choices.length.fill(lengths.map(({ frames, seconds }) => ({
            value: frames, text: `${Number(seconds.toFixed(1))} s`, title: `${frames} frames`,
        })), chosen);
    }

    #setSize(width, height) {
        byID("width").value = width;
        byID("height").value = height;
        const index = this.#shapes.findIndex((shape) => shape.width === width && shape.height === height);
        this.#choices.shape.choose(index < 0 ? OWN : index);
    }

    /** A length that is none of the offered ones joins them. */
    #setLength(frames) {
        if (this.#choices.length.choose(frames)) return;
        const lengths = lengthsOf(this.#model);
        lengths.push({ frames, seconds: secondsOf(frames, this.#model.fps) });
        this.#fillLengths(lengths.sort((a, b) => a.frames - b.frames), frames);
    }

    /** A picture came, and what is made becomes a kind that takes it, of its shape; or it went. */
    #startChanged(sides) {
        this.complain("start", null);
        if (sides !== null) {
            const { kind } = this;
            if (this.#start.useFor(kind) === null) this.choose("kind", kind === "video" ? "image" : "video");
            const shape = nearestShape(this.#shapes, this.size, sides);
            this.#setSize(shape.width, shape.height);
        }
        this.#update();
    }

    /** What depends on other fields. */
    #update() {
        const video = this.kind === "video";
        this.#start.update(this.kind);
        const { width, height } = this.size;
        byID("length-field").hidden = !video;
        byID("count-field").hidden = video || this.comparison !== "off" || (this.#limits.n ?? 1) < 2;
        if (this.comparison !== "off") this.#choices.count.choose(1);
        byID("own-size").hidden = this.#choices.shape.value !== OWN;
        byID("compare-hint").textContent = COMPARISONS[this.comparison] ?? "";
        byID("compare-hint").hidden = this.comparison === "off";
        byID("settings-facts").textContent = this.#facts(width, height);
        byID("seed-hint").textContent = this.#locked ? "Kept: the same settings give the same picture again." : "A new one each time.";
        this.#extras.update(this.kind, this.plan(this.#choices.generator.value));
        this.#changed();
    }

    #facts(width, height) {
        const titles = this.comparison === "blind" ? "blind test" : this.plans.map(({ title }) => title).join(" / ");
        const length = this.kind === "video" ? `, ${secondsOf(Number(this.#choices.length.value), this.#model.fps)} s` : "";
        return `${titles}, ${width} × ${height}${length}${this.#locked ? ", same seed" : ""}`;
    }

    #roll() {
        byID("seed").value = randomSeed();
        this.#fresh = true;
    }

    #lock(locked) {
        this.#locked = locked;
        byID("lock").setAttribute("aria-pressed", String(locked));
        byID("seed-hint").textContent = locked ? "Kept: the same settings give the same picture again." : "A new one each time.";
    }
}

/** A small frame of that shape. */
function outline(width, height) {
    const longest = Math.max(width, height);
    const mark = h("span", { class: "outline", "aria-hidden": "true" });
    mark.style.width = `${(0.95 * width) / longest}rem`;
    mark.style.height = `${(0.95 * height) / longest}rem`;
    return mark;
}
