// The SNR axis of the page: a small strip under the picture, which opens to the whole plot with its words.

import { byID } from "./dom.js";
import { SNRAxis } from "./snr-axis.js";

export class AxisPanel {
    #axes = [new SNRAxis(byID("axis-small"), null), new SNRAxis(byID("axis"), byID("legend"))];

    /** What is shown. */
    plans = [];

    /** Fixes the decades that are drawn, so that all generators of a model stand on the same axis. */
    cover(plans) {
        for (const axis of this.#axes) axis.cover(plans);
    }

    show(plans) {
        this.plans = plans;
        byID("plan").hidden = false;
        for (const axis of this.#axes) {
            if (!axis.shows(plans)) axis.show(plans);
        }
    }

    /** As `show`, and every needle leaves the plot. */
    restart(plans) {
        this.plans = plans;
        byID("plan").hidden = false;
        for (const axis of this.#axes) axis.show(plans);
    }

    /** In a blind test it would tell who is at work. */
    hide() {
        byID("plan").hidden = true;
    }

    move(name, done, computing) {
        for (const axis of this.#axes) axis.move(name, done, computing);
    }
}
