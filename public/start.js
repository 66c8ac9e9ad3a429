// The picture that the next one starts from: chosen, dropped, pasted, or one of the gallery.

import { APIError, jobPicture } from "./api.js";
import { byID } from "./dom.js";

const TITLES = {
    changed: "A picture to start from", seen: "A picture to change", moved: "The picture that the clip begins with",
};
const DEFAULT_STRENGTH = 0.75;

/**
 * What a model does with a picture, by the kind that it makes: one is `changed` by strength, `seen` by a network that
 * reads it, or `moved` as the first frame of a clip; null where none is taken.
 */
export function usesOf(model) {
    const { inputs = {}, kinds_from_pictures = [] } = model;
    return {
        image: inputs.images?.[1] > 0 ? "seen" : inputs.image !== "never" && kinds_from_pictures.includes("image") ? "changed" : null,
        video: kindsOf(model).includes("video") && ["optional", "required"].includes(inputs.image) ? "moved" : null,
    };
}

/** What a model makes, from a prompt alone or from pictures as well. */
export function kindsOf({ kinds, kinds_from_pictures = [] }) {
    return [...new Set([...kinds, ...kinds_from_pictures])];
}

export class Start {
    #uses = { image: null, video: null };
    #needs = { image: false, video: false };
    /** `{name, url, width, height}`, the url with the bytes in it; or null. */
    #held = null;
    /** A file that may become the start, or null. */
    #offered = null;
    /** What this page has sent, by the digest that a job's parameters name it by. */
    #sent = new Map();
    #changed;
    #complain;
    /** What the thumbnail shows. */
    #drawn = null;

    constructor() {
        byID("picture").addEventListener("change", async ({ target }) => {
            const [file] = target.files;
            if (!file) return;
            if (!(await this.take(file, file.name))) this.#complain(`${file.name} is no picture that this browser can read.`);
            target.value = "";
        });
        byID("start-remove").addEventListener("click", () => {
            this.#hold(null);
            byID("picture").focus();
        });
        byID("start-offer").addEventListener("click", async () => {
            await this.take(this.#offered, this.#offered.name);
            byID("picture").focus();
        });
        byID("strength").addEventListener("input", () => this.#showStrength());
    }

    /**
     * @param changed called with the sides of a picture that came, or with null when it went.
     * @param complain called with what is wrong with a file.
     */
    serve(model, { changed, complain }) {
        this.#uses = usesOf(model);
        this.#needs = { image: model.inputs?.images?.[0] > 0, video: model.inputs?.image === "required" };
        this.#changed = changed;
        this.#complain = complain;
        this.#offer(null);
        byID("start-field").hidden = !this.isTaken;
        byID("drop").firstElementChild.textContent =
            this.isTaken ? "Drop it: it is the start, or its settings come back" : "Drop it: its settings come back";
    }

    /** Whether the model takes a picture at all. */
    get isTaken() {
        return Object.values(this.#uses).some((use) => use !== null);
    }

    useFor(kind) {
        return this.#uses[kind] ?? null;
    }

    isMissing(kind) {
        return this.#held === null && this.#needs[kind];
    }

    /** @returns whether the blob is a picture that the browser reads. */
    async take(blob, name) {
        const held = await read(blob, name);
        if (held !== null) this.#hold(held);
        return held !== null;
    }

    /** A file whose settings came back may be the start too. */
    offer(file) {
        this.#offer(this.isTaken && /^image\//.test(file.type) ? file : null);
        return this.#offered !== null;
    }

    /** Asks the server for the picture of a job that was begun before this page was loaded; one that is gone stays missing. */
    async bring({ id, parameters }) {
        const digest = digestOf(parameters);
        if (digest === null || this.#sent.has(digest)) return;
        try {
            const held = await read(await jobPicture(id, digest), "the same picture");
            if (held !== null) this.#sent.set(digest, held);
        } catch (error) {
            if (!(error instanceof APIError)) throw error;
        }
    }

    /** The picture that a job had; none where it had none. @returns false where this page does not have it. */
    reuse(parameters) {
        const digest = digestOf(parameters);
        this.#offer(null);
        this.#held = this.#sent.get(digest) ?? null;
        byID("strength").value = parameters.strength ?? DEFAULT_STRENGTH;
        return digest === null || this.#held !== null;
    }

    /** A request's body became that job. */
    remember(body, { parameters }) {
        const digest = digestOf(parameters);
        if (digest !== null && this.#held !== null && this.#held.url === digestOf(body)) this.#sent.set(digest, this.#held);
    }

    /** The fields of a request. */
    fields(kind) {
        if (this.#held === null) return {};
        switch (this.useFor(kind)) {
            case "changed":
                return { image: this.#held.url, strength: Number(byID("strength").value) };
            case "seen":
                return { images: [this.#held.url] };
            case "moved":
                return { image: this.#held.url };
            default:
                return {};
        }
    }

    update(kind) {
        const use = this.useFor(kind);
        const held = this.#held;
        byID("start-title").textContent = TITLES[use ?? Object.values(this.#uses).find((other) => other !== null)] ?? "";
        byID("picture-words").textContent = held ? "Choose another one" : "Choose a picture";
        byID("start-held").hidden = held === null;
        if (held !== null && held !== this.#drawn) byID("start-image").src = held.url;
        this.#drawn = held;
        byID("start-name").textContent = held?.name ?? "";
        byID("strength-field").hidden = held === null || use !== "changed";
        byID("start-hint").textContent = held === null ? "Or drop or paste one."
            : use === null ? `Not used: ${kind === "video" ? "clips" : "pictures"} of this model are made from words alone.` : "";
        byID("start-hint").hidden = held !== null && use !== null;
        this.#showStrength();
    }

    #hold(held) {
        this.#held = held;
        this.#offer(null);
        this.#changed(held);
    }

    #offer(file) {
        this.#offered = file;
        byID("start-offer").hidden = file === null;
        byID("start-offer").textContent = file === null ? "" : `Start from ${file.name || "it"}`;
    }

    #showStrength() {
        const percent = Math.round(100 * Number(byID("strength").value));
        byID("strength-value").textContent = `${percent} %`;
        byID("strength").setAttribute("aria-valuetext", `${percent} percent`);
    }
}

/** The one picture that parameters or a body name, or null. */
const digestOf = ({ image, images }) => image ?? images?.[0] ?? null;

/** What is held of a blob; null where the browser reads no picture in it. */
async function read(blob, name) {
    const image = new Image();
    image.src = await dataURL(blob);
    try {
        await image.decode();
    } catch {
        return null;
    }
    return { name, url: image.src, width: image.naturalWidth, height: image.naturalHeight };
}

const dataURL = (blob) =>
    new Promise((resolve, reject) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result);
        reader.onerror = () => reject(reader.error);
        reader.readAsDataURL(blob);
    });
