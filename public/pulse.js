// Whether the server is there. Asked rarely while it is, and often while it is not.

import { isAlive } from "./api.js";

const WELL_MS = 5000;
const GONE_MS = 1500;

export class Pulse {
    #changed;
    #alive = true;
    #timer = null;

    /** @param changed called with true or false when the server comes back or goes. */
    constructor(changed) {
        this.#changed = changed;
        document.addEventListener("visibilitychange", () => {
            if (!document.hidden) this.look();
        });
        this.#wait();
    }

    get alive() {
        return this.#alive;
    }

    /** Looks at once: something failed, or a visitor came back. */
    async look() {
        clearTimeout(this.#timer);
        const alive = await isAlive();
        if (alive !== this.#alive) {
            this.#alive = alive;
            this.#changed(alive);
        }
        this.#wait();
    }

    #wait() {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => {
            if (document.hidden) this.#wait();
            else this.look();
        }, this.#alive ? WELL_MS : GONE_MS);
    }
}
