// The second drawer: what few need, each shown only where the served model has it.

import { Choices } from "./choices.js";
import { byID, h } from "./dom.js";

/** Rate factors of H.264: less is better and larger; without one it is the server's. */
const QUALITIES = { small: 32, standard: null, fine: 14 };

const numberIn = (id) => {
    const text = byID(id).value.trim();
    return text === "" || !Number.isFinite(Number(text)) ? null : Number(text);
};

export class Extras {
    #model;
    #quality = new Choices("quality");
    #format = new Choices("format");
    #decoder = new Choices("decoder");
    /** LoRAs as a picture had them, for single experts too, until somebody moves one here. */
    #kept = null;

    constructor(model, limits) {
        this.#model = model;
        for (const id of ["negative", "steps", "guidance", "guidance2", "fps"]) byID(id).value = "";
        byID("loras").oninput = () => {
            this.#kept = null;
        };
        this.#fillLoRAs(limits);
        this.#quality.fill(
            Object.keys(QUALITIES).map((value) => ({ value, text: value.charAt(0).toUpperCase() + value.slice(1) })), "standard");
        const { output_formats: formats = [], decoders = [] } = model;
        byID("format-field").hidden = formats.length < 2;
        this.#format.fill(formats.map((value) => ({ value, text: value.toUpperCase() })), formats[0]);
        byID("decoder-field").hidden = decoders.length < 2;
        this.#decoder.fill(decoders.map((value) => ({ value, text: value })), decoders[0]);
    }

    get steps() {
        return numberIn("steps") ?? undefined;
    }

    /** @param isChosen whether it is the generator that steps and guidance were given for. */
    fields(kind, isChosen) {
        const fields = {};
        if (byID("negative").value.trim() !== "") fields.negative_prompt = byID("negative").value.trim();
        if (isChosen) {
            if (this.steps !== undefined) fields.num_inference_steps = this.steps;
            if (numberIn("guidance") !== null) fields.guidance_scale = numberIn("guidance");
            if (numberIn("guidance2") !== null) fields.guidance_scale_2 = numberIn("guidance2");
        }
        if (kind === "video" && numberIn("fps") !== null) fields.fps = numberIn("fps");
        const loras = this.#kept ?? this.#loras;
        if (loras.length > 0) fields.loras = loras;
        if (kind === "video" && QUALITIES[this.#quality.value]) fields.crf = QUALITIES[this.#quality.value];
        if (kind === "image" && this.#format.value && this.#format.value !== "png") fields.output_format = this.#format.value;
        if (this.#decoder.value && this.#decoder.value !== this.#model.decoders[0]) fields.decoder = this.#decoder.value;
        return fields;
    }

    /** What a picture was made with; what is the generator's own stays unsaid. */
    reuse(parameters, plan) {
        const { num_inference_steps: steps, guidance_scale: first, guidance_scale_2: later, fps } = parameters;
        const set = (id, value, usual) => {
            byID(id).value = value === null || value === undefined || value === usual ? "" : value;
        };
        set("negative", parameters.negative_prompt, null);
        set("steps", steps, plan.steps);
        set("guidance", first, plan.phases[0].guidance);
        // Without a value of their own the later phases take the first one's, where that is given.
        set("guidance2", later, byID("guidance").value === "" ? plan.phases.at(-1).guidance : first);
        set("fps", fps, this.#model.fps);
        const loras = parameters.loras ?? [];
        this.#kept = loras.length > 0 ? loras.map(({ name, strength, expert }) => ({ name, strength, ...(expert && { expert }) })) : null;
        for (const [index, name] of this.#names.entries()) {
            const used = loras.find((lora) => lora.name === name);
            byID(`lora-${index}`).checked = Boolean(used);
            byID(`lora-strength-${index}`).value = used?.strength ?? 1;
        }
        this.#quality.choose(Object.keys(QUALITIES).find((name) => QUALITIES[name] === (parameters.crf ?? null)) ?? "standard");
        this.#decoder.choose(parameters.decoder ?? (this.#model.decoders ?? [])[0]);
        const isSpecial = loras.length > 0 || ["negative", "steps", "guidance", "guidance2"].some((id) => byID(id).value !== "");
        if (isSpecial) byID("more").open = true;
    }

    update(kind, plan) {
        byID("quality-field").hidden = kind !== "video";
        byID("format-field").hidden = kind !== "image" || (this.#model.output_formats ?? []).length < 2;
        byID("steps").placeholder = plan.steps;
        byID("guidance").placeholder = plan.phases[0].guidance;
        byID("guidance2-field").hidden = plan.phases.length < 2;
        byID("guidance2").placeholder = byID("guidance").value || plan.phases.at(-1).guidance;
        byID("fps-field").hidden = kind !== "video";
        byID("fps").placeholder = this.#model.fps;
        for (const index of this.#names.keys()) {
            byID(`lora-strength-${index}`).disabled = !byID(`lora-${index}`).checked;
            byID(`lora-value-${index}`).textContent = Number(byID(`lora-strength-${index}`).value).toFixed(2);
        }
    }

    get #names() {
        return this.#model.loras ?? [];
    }

    get #loras() {
        return this.#names.flatMap((name, index) => byID(`lora-${index}`).checked
            ? [{ name, strength: Number(byID(`lora-strength-${index}`).value) }] : []);
    }

    #fillLoRAs({ lora_strength: range = [-4, 4] }) {
        byID("loras-field").hidden = this.#names.length === 0;
        byID("loras").replaceChildren(...this.#names.map((name, index) => h("li", {},
            h("label", { class: "lora", for: `lora-${index}` },
                h("input", { type: "checkbox", id: `lora-${index}`, name: "loras" }), name),
            h("input", {
                type: "range", id: `lora-strength-${index}`, name: "loras", min: Math.max(range[0], -2), max: Math.min(range[1], 2),
                step: 0.05, value: 1, "aria-label": `Strength of ${name}`,
            }),
            h("output", { id: `lora-value-${index}`, for: `lora-strength-${index}` }, "1.00"))));
    }
}
