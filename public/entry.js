// One finished picture or clip wherever it is shown: on the stage, in the gallery, in the large view.

import { h } from "./dom.js";
import { icon, iconButton, wordButton } from "./icons.js";
import { fileName, isClip, seedOf } from "./media.js";

export class Entry {
    /** @param urls of the job's artifacts, in their order. */
    static of(job, urls) {
        return job.artifacts.map((artifact, index) => new Entry(job, artifact, index, urls[index]));
    }

    constructor(job, artifact, index, url) {
        this.job = job;
        this.artifact = artifact;
        this.index = index;
        this.url = url;
    }

    get seed() {
        return seedOf(this.job, this.index);
    }

    get prompt() {
        return this.job.parameters.prompt;
    }

    get isClip() {
        return isClip(this.artifact);
    }

    get what() {
        return this.isClip ? "clip" : "picture";
    }

    get fileName() {
        return fileName(this.job, this.artifact, this.index);
    }

    /** Where this page shows it again, for whoever may use the server. */
    get link() {
        const part = this.index > 0 ? `&picture=${this.index + 1}` : "";
        return `#job=${encodeURIComponent(this.job.id)}${part}`;
    }

    isSame(other) {
        return other.job.id === this.job.id && other.index === this.index;
    }
}

/** `{id, index}` of an address's fragment, or null. */
export function entryInLink(fragment) {
    const fields = new URLSearchParams(fragment.replace(/^#/, ""));
    const id = fields.get("job");
    return id ? { id, index: Math.max(0, (Number(fields.get("picture")) || 1) - 1) } : null;
}

const OF_PICTURES = new Set(["change", "move"]);

/**
 * What can be done from here on. Each of `actions` takes the entry; those that are missing are not offered.
 * @returns buttons with words.
 */
export function nextSteps(entry, actions) {
    const offers = [
        ["again", "Another seed", "The same prompt with a new seed"],
        ["change", "Change it", "The next one starts from this picture"],
        ["move", "Make it move", actions.moveTitle],
        ["compare", actions.compareWords, "The same prompt and seed by both"],
        ["use", "Use settings", "Prompt and seed go into the form"],
    ];
    return offers
        .filter(([name]) => actions[name] && !(entry.isClip && OF_PICTURES.has(name)))
        .map(([name, words, title]) => wordButton(name, words, () => actions[name](entry), { title, class: `secondary compact do-${name}` }));
}

/** Save, copy, link, delete: as icons. */
export function tools(entry, actions) {
    const save = h("a", {
        class: "icon small save", href: entry.url, download: entry.fileName,
        "aria-label": `Save the ${entry.what}`, title: `Save the ${entry.what}`,
    }, icon("save"));
    return [
        save,
        iconButton("link", "Copy a link to it", ({ currentTarget }) =>
            actions.copy(currentTarget, new URL(entry.link, location.href).href, "Link")),
        iconButton("copy", "Copy the prompt", ({ currentTarget }) => actions.copy(currentTarget, entry.prompt, "Prompt")),
    ];
}

/** The seed, which copies itself. */
export const seedButton = (entry, actions) =>
    h("button", {
        type: "button", class: "copy", "aria-label": `Copy seed ${entry.seed}`, title: "Copy the seed",
        onclick: ({ currentTarget }) => actions.copy(currentTarget, entry.seed, "Seed"),
    }, entry.seed);
