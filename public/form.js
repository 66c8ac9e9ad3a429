// What the visitor asks for: the fields, what the model allows in them, and the server's objections beside them.

import { byID, h } from "./dom.js";
import { planOf } from "./plan.js";

/** The form's choice of all generators, one after the other on the same seed. */
const BESIDE = "beside";

/** Which field an error's `param` belongs to. */
const FIELD_OF = {
    prompt: "prompt", kind: "kind", generator: "generator", size: "size", width: "size", height: "size",
    n: "count", num_frames: "frames", frames: "frames", seconds: "frames", seed: "seed",
};
const CONTROLS_OF = { size: ["width", "height"] };

const randomSeed = () => String(crypto.getRandomValues(new Uint32Array(1))[0]);

export class Form {
    #model;
    #limits;
    #plans;
    #locked = false;
    /** The seed in the field has made nothing yet. */
    #fresh = true;

    /** @param changed called after every change, with no arguments. */
    constructor(model, limits, changed) {
        this.#model = model;
        this.#limits = limits;
        this.#plans = model.generators.map(planOf);
        this.#fillChoices();
        this.#fillNumbers();
        this.#roll();
        byID("dice").addEventListener("click", () => {
            this.#roll();
            this.#complain("seed", null);
        });
        byID("lock").addEventListener("click", () => this.#lock(!this.#locked));
        byID("seed").addEventListener("input", () => this.#lock(byID("seed").value.trim() !== ""));
        byID("examples").addEventListener("click", ({ target }) => {
            const chip = target.closest("button");
            if (!chip) return;
            byID("prompt").value = chip.textContent;
            if (model.kinds.includes(chip.dataset.kind)) this.#choose("kind", chip.dataset.kind);
            this.#adapt();
            changed();
            byID("prompt").focus();
        });
        byID("form").addEventListener("input", ({ target }) => {
            this.#complain(target.id === "width" || target.id === "height" ? "size" : target.name, null);
            this.#adapt();
            changed();
        });
        this.#adapt();
    }

    get kind() {
        return this.#chosen("kind");
    }

    /** The plans of the generators that are asked for, in the order they will run. */
    get plans() {
        const name = this.#chosen("generator");
        return name === BESIDE ? this.#plans : this.#plans.filter((plan) => plan.name === name);
    }

    get allPlans() {
        return this.#plans;
    }

    /** The bodies of `POST /v1/jobs`, one per generator; a seed is used once unless it is locked. */
    requests() {
        const seedField = byID("seed");
        if ((!this.#locked && !this.#fresh) || seedField.value.trim() === "") this.#roll();
        this.#fresh = false;
        const request = {
            kind: this.kind,
            model: this.#model.id,
            prompt: byID("prompt").value.trim(),
            size: `${byID("width").value}x${byID("height").value}`,
            seed: wholeNumber(seedField.value),
            partial_images: this.#limits.partial_images,
        };
        if (this.kind === "video") request.num_frames = wholeNumber(byID("frames").value);
        else request.n = wholeNumber(byID("count").value);
        return this.plans.map((plan) => ({ plan, body: { ...request, generator: plan.name } }));
    }

    /** Fills the form with what made a picture, its seed locked. */
    reuse({ kind, prompt, width, height, num_frames: frames, generator }, seed) {
        byID("prompt").value = prompt;
        byID("width").value = width;
        byID("height").value = height;
        byID("count").value = 1;
        if (kind === "video") byID("frames").value = frames;
        byID("seed").value = seed;
        this.#lock(true);
        this.#choose("kind", kind);
        this.#choose("generator", generator ?? this.#model.default_generator);
        this.clearErrors();
        this.#adapt();
    }

    /** Shows an error at the field it names, or under the buttons. */
    show(error) {
        if (error.status === 401) {
            byID("key-field").hidden = false;
            this.#complain("key", error.message);
            byID("key").focus();
            return;
        }
        const field = FIELD_OF[error.param];
        if (!field) {
            byID("form-error").textContent = error.message;
            byID("form-error").hidden = false;
            return;
        }
        this.#complain(field, error.message);
        const control = byID((CONTROLS_OF[field] ?? [field])[0]) ?? document.querySelector(`[name=${field}]:checked`);
        control?.focus();
    }

    clearErrors() {
        for (const name of new Set([...Object.values(FIELD_OF), "key"])) this.#complain(name, null);
        byID("form-error").hidden = true;
    }

    setBusy(busy) {
        byID("generate").disabled = busy;
        byID("cancel").hidden = !busy;
    }

    #fillChoices() {
        const choice = (group, value, text, checked) => {
            const id = `${group}-${value}`;
            return [
                h("input", { type: "radio", name: group, id, value, checked }),
                h("label", { for: id }, text),
            ];
        };
        const kinds = { image: "Image", video: "Clip" };
        byID("kinds").append(...this.#model.kinds.flatMap((kind, index) =>
            choice("kind", kind, kinds[kind] ?? kind, index === 0)));
        byID("generators").append(...this.#plans.flatMap((plan) =>
            choice("generator", plan.name, plan.title, plan.name === this.#model.default_generator)));
        if (this.#plans.length > 1) byID("generators").append(...choice("generator", BESIDE, "Side by side", false));
    }

    #fillNumbers() {
        const { sizes, frames } = this.#model;
        const [width, height] = sizes.default.split("x");
        for (const [id, value] of [["width", width], ["height", height]]) {
            const field = byID(id);
            field.min = sizes.multiple;
            field.step = sizes.multiple;
            field.value = value;
        }
        byID("count").max = this.#limits.n;
        if (this.#limits.prompt_characters) byID("prompt").maxLength = this.#limits.prompt_characters;
        if (!frames) return;
        const field = byID("frames");
        field.min = 1;
        field.max = frames.maximum;
        field.step = frames.multiple;
        field.value = frames.default;
    }

    /** What depends on other fields: a clip has frames and comes alone, and its length follows from them. */
    #adapt() {
        const video = this.kind === "video";
        const { sizes, frames, fps } = this.#model;
        byID("frames-field").hidden = !video;
        byID("count").closest(".field").hidden = video;
        const pixels = sizes.maximum_pixels.toLocaleString("en");
        const parts = [`Sides in steps of ${sizes.multiple}, up to ${pixels} pixels.`];
        if (video) {
            const count = wholeNumber(byID("frames").value);
            const seconds = Number.isInteger(count) ? `${(count / fps).toFixed(1)} s at ${fps} frames a second. ` : "";
            parts.unshift(`${seconds}${frames.rule} frames, up to ${frames.maximum}.`);
        }
        byID("size-hint").textContent = parts.join(" ");
    }

    #roll() {
        byID("seed").value = randomSeed();
        this.#fresh = true;
    }

    #lock(locked) {
        this.#locked = locked;
        byID("lock").setAttribute("aria-pressed", String(locked));
    }

    #chosen(group) {
        return document.querySelector(`[name=${group}]:checked`)?.value;
    }

    #choose(group, value) {
        const input = byID(`${group}-${value}`);
        if (input) input.checked = true;
    }

    #complain(field, message) {
        const note = byID(`${field}-error`);
        if (!note) return;
        note.textContent = message ?? "";
        note.hidden = !message;
        for (const id of CONTROLS_OF[field] ?? [field]) {
            const control = byID(id);
            if (message) control?.setAttribute("aria-invalid", "true");
            else control?.removeAttribute("aria-invalid");
        }
    }
}

/** A number when the text is one, else the text itself: the server says what is wrong with it. */
function wholeNumber(text) {
    return /^\d{1,15}$/.test(text.trim()) ? Number(text) : text;
}
