// Seconds since a job began, for people to look at: they only ever go forward, also where the job is picked up again
// after the server was gone and begins anew.

export class Clock {
    #begin = null;
    #shown = 0;
    #show;
    #timer = null;

    /** @param show called with the seconds, ten times a second. */
    constructor(show) {
        this.#show = show;
    }

    get seconds() {
        if (this.#begin !== null) this.#shown = Math.max(this.#shown, (performance.now() - this.#begin) / 1000);
        return this.#shown;
    }

    /** @param already seconds it has been under way; counts only at the first start. */
    start(already = 0) {
        this.#begin ??= performance.now() - Math.max(0, already) * 1000;
        this.#timer ??= setInterval(() => this.#show(this.seconds), 100);
        this.#show(this.seconds);
    }

    /** @returns the seconds that were shown last, or `measured` where that is more. */
    stop(measured = 0) {
        clearInterval(this.#timer);
        this.#timer = null;
        const last = Math.max(this.#begin === null ? 0 : this.seconds, measured);
        this.#begin = null;
        this.#shown = last;
        return last;
    }
}
