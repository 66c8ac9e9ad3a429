// The pictures that the next one starts from: chosen, dropped, pasted, or one of the gallery. A network that looks at pictures
// may take several, and a clip may have a last one.

import { APIError, jobPicture } from "./api.js";
import { byID, h } from "./dom.js";
import { iconButton } from "./icons.js";

const TITLES = {
    changed: "A picture to start from", seen: "A picture to change", moved: "The picture that the clip begins with",
};
const SEVERAL = "Pictures to look at";
const DEFAULT_STRENGTH = 0.75;
const ONE = "This model starts from a picture: choose one.";
const LAST = "This model needs the last picture, too: choose how the clip ends.";

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
    #inputs = {};
    /** `{name, url, width, height}` each, the url with the bytes in it. Where one is read, it is the first. */
    #held = [];
    /** The one that a clip ends with, or null. */
    #last = null;
    /** A file that may become the start, or null. */
    #offered = null;
    /** What this page has sent, by the digest that a job's parameters name it by. */
    #sent = new Map();
    #changed;
    #complain;
    /** What the thumbnails show. */
    #drawn = [];

    constructor() {
        byID("picture").addEventListener("change", async ({ target }) => {
            for (const file of [...target.files]) {
                if (!(await this.take(file, file.name))) this.#refuse(file);
            }
            target.value = "";
        });
        byID("last-picture").addEventListener("change", async ({ target }) => {
            const [file] = target.files;
            if (!file) return;
            const last = await read(file, file.name);
            if (last === null) this.#refuse(file);
            else this.#end(last);
            target.value = "";
        });
        byID("start-remove").addEventListener("click", () => this.#remove(0));
        byID("last-remove").addEventListener("click", () => {
            this.#end(null);
            byID("last-picture").focus();
        });
        byID("start-offer").addEventListener("click", async () => {
            await this.take(this.#offered, this.#offered.name);
            byID("picture").focus();
        });
        byID("strength").addEventListener("input", () => this.#showStrength());
    }

    /**
     * @param changed called with the sides of a picture that came, or with null when one went.
     * @param complain called with what is wrong with a file.
     */
    serve(model, { changed, complain }) {
        this.#uses = usesOf(model);
        this.#inputs = model.inputs ?? {};
        this.#changed = changed;
        this.#complain = complain;
        this.#offer(null);
        this.#held.length = Math.min(this.#held.length, this.#most);
        byID("start-field").hidden = !this.isTaken;
        byID("picture").multiple = this.#most > 1;
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

    /** What the model makes nothing of that kind without, as a sentence; null where all is there. */
    missing(kind) {
        const least = this.useFor(kind) === "seen" ? this.#inputs.images[0] : 0;
        if (kind === "video" && this.#inputs.image === "required" && this.#held.length === 0) return ONE;
        if (kind === "video" && this.#inputs.last_image === "required" && this.#last === null) return LAST;
        if (this.#held.length >= least) return null;
        return least > 1 ? `This model starts from ${least} pictures: choose them.` : ONE;
    }

    /**
     * @param alone whether it takes the place of all that there are.
     * @returns whether the blob is a picture that the browser reads.
     */
    async take(blob, name, { alone = false } = {}) {
        const held = await read(blob, name);
        if (held !== null) this.#hold(held, alone);
        return held !== null;
    }

    /** A file whose settings came back may be the start too. */
    offer(file) {
        this.#offer(this.isTaken && /^image\//.test(file.type) ? file : null);
        return this.#offered !== null;
    }

    /** Asks the server for the pictures of a job that was begun before this page was loaded; one that is gone stays missing. */
    async bring({ id, parameters }) {
        for (const digest of picturesOf(parameters)) {
            if (this.#sent.has(digest)) continue;
            try {
                const held = await read(await jobPicture(id, digest), "the same picture");
                if (held !== null) this.#sent.set(digest, held);
            } catch (error) {
                if (!(error instanceof APIError)) throw error;
            }
        }
    }

    /** The pictures that a job had; none where it had none. @returns false where this page does not have one of them. */
    reuse(parameters) {
        const { last_image: last, ...others } = parameters;
        const wanted = picturesOf(others);
        this.#offer(null);
        this.#held = wanted.map((digest) => this.#sent.get(digest)).filter((held) => held !== undefined);
        this.#last = this.#sent.get(last) ?? null;
        byID("strength").value = parameters.strength ?? DEFAULT_STRENGTH;
        return this.#held.length === wanted.length && (last == null || this.#last !== null);
    }

    /** A request's body became that job. */
    remember(body, { parameters }) {
        const [urls, digests] = [picturesOf(body), picturesOf(parameters)];
        const held = [...this.#held, this.#last].filter((one) => one !== null);
        digests.forEach((digest, index) => {
            const sent = held.find(({ url }) => url === urls[index]);
            if (sent !== undefined) this.#sent.set(digest, sent);
        });
    }

    /** The fields of a request. */
    fields(kind) {
        if (this.#held.length === 0) return {};
        const [{ url: image }] = this.#held;
        switch (this.useFor(kind)) {
            case "changed":
                return { image, strength: Number(byID("strength").value) };
            case "seen":
                return { images: this.#held.map(({ url }) => url) };
            case "moved":
                return this.#last !== null && this.#canEnd ? { image, last_image: this.#last.url } : { image };
            default:
                return {};
        }
    }

    update(kind) {
        const use = this.useFor(kind);
        const [first] = this.#held;
        const several = use === "seen" && this.#most > 1;
        byID("start-title").textContent = several
            ? SEVERAL : TITLES[use ?? Object.values(this.#uses).find((other) => other !== null)] ?? "";
        const isFull = this.#held.length === this.#most;
        byID("picture-words").textContent = first === undefined ? "Choose a picture"
            : several && !isFull ? "Add a picture" : "Choose another one";
        byID("start-held").hidden = first === undefined;
        this.#drawHeld();
        byID("strength-field").hidden = first === undefined || use !== "changed";
        byID("start-hint").textContent = first === undefined
            ? (several ? `Or drop or paste some, at most ${this.#most}.` : "Or drop or paste one.")
            : use === null ? `Not used: ${kind === "video" ? "clips" : "pictures"} of this model are made from words alone.` : "";
        byID("start-hint").hidden = first !== undefined && use !== null;
        const ends = use === "moved" && this.#canEnd;
        byID("last-way").hidden = !ends || first === undefined;
        byID("last-held").hidden = !ends || this.#last === null;
        byID("last-words").textContent = this.#last === null ? "Choose how it ends" : "Choose another end";
        this.#showStrength();
    }

    /** How many pictures there may be besides a last one. */
    get #most() {
        return Object.values(this.#uses).includes("seen") ? this.#inputs.images[1] : 1;
    }

    get #canEnd() {
        return ["optional", "required"].includes(this.#inputs.last_image);
    }

    #drawHeld() {
        const shown = [...this.#held, this.#last];
        if (shown.length === this.#drawn.length && shown.every((held, index) => held === this.#drawn[index])) return;
        this.#drawn = shown;
        const [first, ...others] = this.#held;
        if (first !== undefined) byID("start-image").src = first.url;
        byID("start-name").textContent = first?.name ?? "";
        if (this.#last !== null) byID("last-image").src = this.#last.url;
        byID("last-name").textContent = this.#last?.name ?? "";
        byID("start-more").hidden = others.length === 0;
        byID("start-more").replaceChildren(...others.map(({ name, url }, index) => h("li", { class: "start-held" },
            h("img", { src: url, alt: `Picture ${index + 2} to look at` }), h("span", { class: "start-name" }, name),
            iconButton("close", `Remove picture ${index + 2}`, () => this.#remove(index + 1)))));
    }

    #refuse({ name }) {
        this.#complain(`${name} is no picture that this browser can read.`);
    }

    /** It joins the others where there is room, else takes the place of the last of them. */
    #hold(held, alone) {
        this.#held = alone ? [held] : [...this.#held.slice(0, this.#most - 1), held];
        this.#offer(null);
        this.#changed(held);
    }

    #remove(index) {
        this.#held = this.#held.filter((_, at) => at !== index);
        this.#offer(null);
        this.#changed(null);
        byID("picture").focus();
    }

    #end(last) {
        this.#last = last;
        this.#changed(null);
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

/** The pictures that parameters or a body name, in one order for both. */
const picturesOf = ({ image, last_image: last, images }) =>
    [image, last, ...(images ?? [])].filter((picture) => picture !== null && picture !== undefined);

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
