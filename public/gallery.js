// The pictures made on this server, newest first, each with what made it: to look at, to save, or to start from.

import { h } from "./dom.js";
import { seedButton, tools } from "./entry.js";
import { iconButton } from "./icons.js";
import { computing, mediaElement, secondsText } from "./media.js";

export class Gallery {
    #section;
    #list;
    #actions;
    #cards = [];

    /** @param actions `{open, use, copy, change, moveFrom}`, each called with an entry; the last two may be missing. */
    constructor(section, list, actions) {
        this.#section = section;
        this.#list = list;
        this.#actions = actions;
    }

    /** The entries in the order in which they are shown. */
    get entries() {
        return this.#cards.map(({ entry }) => entry);
    }

    /** @param atEnd for older ones. */
    add(entries, atEnd = false) {
        const fresh = entries.filter((entry) => !this.#cards.some((card) => card.entry.isSame(entry)))
            .map((entry) => ({ entry, element: this.#card(entry) }));
        const elements = fresh.map(({ element }) => element);
        if (atEnd) this.#list.append(...elements);
        else this.#list.prepend(...elements);
        this.#cards = atEnd ? [...this.#cards, ...fresh] : [...fresh, ...this.#cards];
        this.#section.hidden = this.#cards.length === 0;
    }

    removeJob(id) {
        for (const { entry, element } of this.#cards) {
            if (entry.job.id === id) element.remove();
        }
        this.#cards = this.#cards.filter(({ entry }) => entry.job.id !== id);
        this.#section.hidden = this.#cards.length === 0;
    }

    /** The actions have changed. */
    redraw() {
        for (const card of this.#cards) {
            const element = this.#card(card.entry);
            card.element.replaceWith(element);
            card.element = element;
        }
    }

    clear() {
        this.#cards = [];
        this.#list.replaceChildren();
    }

    /** What a picture can be the start of. */
    #starts(entry) {
        const { change, moveFrom } = this.#actions;
        const offers = [["change", "Change it", change], ["move", "Make it move", moveFrom]];
        return offers.filter(([, , action]) => action && !entry.isClip).map(([name, words, action]) =>
            iconButton(name, `${words}: ${entry.prompt}, seed ${entry.seed}`, () => action(entry),
                { class: `icon small start-${name}`, title: words }));
    }

    #card(entry) {
        const { job, seed, prompt } = entry;
        // The time is of the whole job: with several pictures it says so.
        const share = job.artifacts.length > 1 ? ` for ${job.artifacts.length}` : "";
        const facts = [...(job.parameters.generator ? [job.parameters.generator] : []), `${secondsText(computing(job))}${share}`];
        return h("li", { class: "card" },
            h("button", {
                type: "button", class: "show", "aria-label": `Large view: ${prompt}, seed ${seed}`,
                onclick: () => this.#actions.open(entry),
            }, mediaElement(entry.artifact, entry.url, prompt, false)),
            h("p", { class: "card-prompt", title: prompt }, prompt),
            h("p", { class: "card-facts" }, facts.join(" · ")),
            h("div", { class: "card-tools" },
                seedButton(entry, this.#actions),
                iconButton("use", `Use again: ${prompt}, seed ${seed}`, () => this.#actions.use(entry),
                    { class: "icon small again", title: "Use its prompt and seed" }),
                ...this.#starts(entry),
                tools(entry, this.#actions)[0]));
    }
}
