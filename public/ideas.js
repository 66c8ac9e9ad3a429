// What to ask for: samples that the served model made, the words it knows, and a surprise.

import { byID, h } from "./dom.js";
import { clipElement } from "./media.js";
import { kindsOf } from "./start.js";

export class Ideas {
    #card;
    #form;
    #say;

    /** @param say called with words for everybody. */
    constructor(card, form, say) {
        this.#card = card;
        this.#form = form;
        this.#say = say;
        byID("samples").replaceChildren(...card.samples(kindsOf(form.model)).map((sample) => this.#sample(sample)));
        this.setAside(false);
        byID("words-toggle").hidden = card.words.length === 0;
        byID("words").hidden = true;
        byID("words-toggle").setAttribute("aria-expanded", "false");
        byID("words").replaceChildren(
            h("p", { class: "hint" }, card.about),
            ...card.words.map((group) => this.#group(group)));
        byID("words-toggle").onclick = () => {
            const opens = byID("words").hidden;
            byID("words").hidden = !opens;
            byID("words-toggle").setAttribute("aria-expanded", String(opens));
        };
        byID("prompt").placeholder = card.isKnown ? card.samples(kindsOf(form.model))[0]?.prompt ?? "" : card.surprise("image");
    }

    surprise() {
        return this.#card.surprise(this.#form.kind);
    }

    /** Once there is something on the stage, the samples have done their work. */
    setAside(isAside) {
        byID("samples-section").hidden = isAside || byID("samples").childElementCount === 0;
    }

    #sample({ kind, prompt, seed, url }) {
        const media = kind === "video" ? clipElement(url, prompt) : h("img", { src: url, alt: prompt, width: 128, height: 128 });
        return h("li", {}, h("button", {
            type: "button", class: "sample", "aria-label": `Take as a start: ${prompt}`, title: prompt,
            onclick: () => {
                this.#form.reuse({ kind, prompt }, String(seed));
                this.#say("Prompt and seed are in the form");
                byID("generate").focus();
            },
        }, media, h("span", { class: "sample-prompt", "aria-hidden": "true" }, prompt)));
    }

    #group({ title, words, note }) {
        return h("div", { class: "word-group" },
            h("h2", {}, title),
            note ? h("p", { class: "hint" }, note) : null,
            h("ul", { class: "chips" }, ...words.map((word) => h("li", {}, h("button", {
                type: "button", class: "chip", onclick: () => {
                    this.#form.addWord(word);
                    byID("prompt").focus();
                },
            }, word)))));
    }
}
