// The pictures made on this server, newest first, each with what made it: to copy, to save, or to start from.

import { h, s } from "./dom.js";
import { latency, mediaElement, secondsText, seedOf } from "./media.js";

const LONGEST = 60;

export class Gallery {
    #section;
    #list;
    #reuse;
    #announce;

    /** @param reuse called with a job's parameters and the seed of one of its pictures. */
    constructor(section, list, { reuse, announce }) {
        this.#section = section;
        this.#list = list;
        this.#reuse = reuse;
        this.#announce = announce;
    }

    /** @param urls of the job's artifacts, in their order. */
    add(job, urls) {
        this.#list.prepend(...job.artifacts.map((artifact, index) => this.#picture(job, artifact, urls[index], index)));
        while (this.#list.childElementCount > LONGEST) this.#list.lastElementChild.remove();
        this.#section.hidden = false;
    }

    #picture(job, artifact, url, index) {
        const { prompt, generator } = job.parameters;
        const seed = seedOf(job, index);
        const what = artifact.content_type.startsWith("video/") ? "clip" : "image";
        const ending = what === "clip" ? "mp4" : "png";
        // The time is of the whole job: with several pictures it says so.
        const share = job.artifacts.length > 1 ? ` for ${job.artifacts.length}` : "";
        const image = h("button", {
            type: "button", class: "again", title: "Use its prompt and seed",
            "aria-label": `Use again: ${prompt}, seed ${seed}`,
            onclick: () => this.#reuse(job.parameters, seed),
        }, mediaElement(artifact, url, prompt, false));
        return h("li", { class: "card" },
            image,
            h("p", { class: "card-prompt", title: prompt }, prompt),
            h("p", { class: "card-facts" }, `${generator ?? "default"} · ${secondsText(latency(job))}${share}`),
            h("div", { class: "card-tools" },
                h("button", {
                    type: "button", class: "copy", "aria-label": `Copy seed ${seed}`, title: "Copy the seed",
                    onclick: (event) => this.#copy(event.currentTarget, String(seed), "Seed"),
                }, h("span", { class: "copy-text" }, String(seed))),
                h("button", {
                    type: "button", class: "icon small", "aria-label": "Copy the prompt", title: "Copy the prompt",
                    onclick: (event) => this.#copy(event.currentTarget, prompt, "Prompt"),
                }, s("svg", { viewBox: "0 0 24 24", "aria-hidden": true },
                    s("rect", { x: 9, y: 9, width: 11, height: 11, rx: 2.5 }),
                    s("path", { d: "M5.5 15A1.5 1.5 0 0 1 4 13.5v-8A1.5 1.5 0 0 1 5.5 4h8A1.5 1.5 0 0 1 15 5.5" }))),
                h("a", {
                    class: "icon small", href: url, download: `phasor-${seed}.${ending}`,
                    "aria-label": `Save the ${what}`, title: `Save the ${what}`,
                }, s("svg", { viewBox: "0 0 24 24", "aria-hidden": true },
                    s("path", { d: "M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 19.5h14" })))));
    }

    async #copy(button, text, name) {
        try {
            await navigator.clipboard.writeText(text);
        } catch {
            // Browsers refuse the clipboard to pages without TLS, localhost apart.
            return this.#announce(`This browser did not let the page copy. ${name}: ${text}`);
        }
        button.classList.add("copied");
        setTimeout(() => button.classList.remove("copied"), 1200);
        this.#announce(`${name} copied`);
    }
}
