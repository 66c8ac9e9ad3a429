// A row of choices of which one holds: radio buttons that look like one control.

import { byID, h } from "./dom.js";

export class Choices {
    #name;

    /** @param name the id of the element that holds them, and the radios' name. */
    constructor(name) {
        this.#name = name;
    }

    /** @param options `[{value, text, title, mark}]`; `mark` is an element before the text. */
    fill(options, chosen) {
        byID(this.#name).replaceChildren(...options.flatMap(({ value, text, title, mark }) => {
            const id = `${this.#name}-${value}`;
            return [
                h("input", { type: "radio", name: this.#name, id, value, checked: String(value) === String(chosen) }),
                h("label", { for: id, title }, mark, text),
            ];
        }));
    }

    get value() {
        return document.querySelector(`[name="${this.#name}"]:checked`)?.value ?? null;
    }

    /** Leaves it as it is where there is no such choice. @returns whether there is. */
    choose(value) {
        const input = byID(`${this.#name}-${value}`);
        if (input) input.checked = true;
        return Boolean(input);
    }
}
