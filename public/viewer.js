// The large view: one picture or clip at a time, with keys, swipes, and all that can be done with it.

import { byID, h } from "./dom.js";
import { nextSteps, seedButton, tools } from "./entry.js";
import { iconButton } from "./icons.js";
import { computing, mediaElement, secondsText } from "./media.js";

const SWIPE_PIXELS = 45;

export class Viewer {
    #dialog = byID("viewer");
    #actions;
    #entries;
    #entry = null;
    #swipe = null;
    #opener = null;

    /**
     * @param entries called for what there is to go through, in order.
     * @param actions what can be done with an entry; `remove` and `canRemove` for deleting.
     */
    constructor({ entries, actions }) {
        this.#entries = entries;
        this.#actions = actions;
        this.#dialog.addEventListener("close", () => this.#closed());
        this.#dialog.addEventListener("keydown", (event) => this.#key(event), { capture: true });
        this.#dialog.addEventListener("click", ({ target }) => {
            if (target === this.#dialog) this.close();
        });
        this.#dialog.addEventListener("pointerdown", ({ clientX, clientY, target }) => {
            this.#swipe = target.closest(".viewer-media") ? { x: clientX, y: clientY } : null;
        });
        this.#dialog.addEventListener("pointerup", ({ clientX, clientY }) => {
            const from = this.#swipe;
            this.#swipe = null;
            if (from === null || Math.abs(clientX - from.x) < SWIPE_PIXELS) return;
            if (Math.abs(clientX - from.x) > 1.5 * Math.abs(clientY - from.y)) this.#go(clientX < from.x ? 1 : -1);
        });
    }

    get isOpen() {
        return this.#dialog.open;
    }

    open(entry) {
        this.#entry = entry;
        this.#draw();
        if (!this.#dialog.open) {
            this.#opener = document.activeElement;
            this.#dialog.showModal();
        }
        history.replaceState(null, "", entry.link);
    }

    close() {
        if (this.#dialog.open) this.#dialog.close();
    }

    #closed() {
        // The event comes a moment later; by then another may have been opened.
        if (this.#dialog.open) return;
        this.#entry = null;
        this.#dialog.replaceChildren();
        if (document.activeElement === document.body) this.#opener?.focus();
        history.replaceState(null, "", location.pathname + location.search);
    }

    #key(event) {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const action = {
            ArrowLeft: () => this.#go(-1), ArrowRight: () => this.#go(1),
            s: () => this.#dialog.querySelector(".save").click(), Delete: () => this.#dialog.querySelector(".remove")?.click(),
        }[event.key];
        if (!action) return;
        event.preventDefault();
        event.stopPropagation();
        action();
    }

    #go(by) {
        const all = this.#entries();
        const at = all.findIndex((entry) => entry.isSame(this.#entry));
        const next = all[at + by];
        if (at < 0 || !next) return;
        this.open(next);
        this.#dialog.querySelector(`.turn.${by < 0 ? "back" : "forward"}`)?.focus();
    }

    /** A button's focus is kept where the new picture has the same. */
    #draw() {
        const entry = this.#entry;
        const { job, prompt, seed } = entry;
        const { generator, width, height, num_frames: frames, fps, negative_prompt: negative } = job.parameters;
        const all = this.#entries();
        const at = all.findIndex((other) => other.isSame(entry));
        const facts = [
            ...(generator ? [generator] : []), `${width} × ${height}`, ...(entry.isClip ? [`${frames} frames at ${fps} a second`] : []),
            `computed in ${secondsText(computing(job))}`, new Date(job.created_at * 1000).toLocaleString(),
        ];
        const act = Object.fromEntries(Object.entries(this.#actions).map(([name, action]) =>
            [name, ["again", "change", "move", "compare", "use"].includes(name) && action
                ? (chosen) => {
                    this.close();
                    action(chosen);
                } : action]));
        const turn = (by, name, words) => iconButton(name, words, () => this.#go(by),
            { class: `icon turn ${name}`, disabled: !all[at + by] });
        const media = mediaElement(entry.artifact, entry.url, `${prompt}, seed ${seed}`);
        const frame = h("div", { class: "viewer-media" }, media);
        frame.style.setProperty("--ratio", width / height);
        this.#dialog.replaceChildren(
            h("div", { class: "viewer-sheet" },
                frame,
                h("div", { class: "viewer-side" },
                    h("div", { class: "viewer-bar" },
                        turn(-1, "back", "The one before (arrow left)"), turn(1, "forward", "The next one (arrow right)"),
                        h("span", { class: "viewer-count" }, at < 0 ? "" : `${at + 1} of ${all.length}`),
                        iconButton("close", "Close (Escape)", () => this.close(), { class: "icon viewer-close" })),
                    h("p", { class: "viewer-prompt" }, prompt),
                    negative ? h("p", { class: "hint" }, `Not: ${negative}`) : null,
                    h("p", { class: "hint" }, facts.join(" · ")),
                    h("div", { class: "viewer-steps" }, ...nextSteps(entry, act)),
                    h("div", { class: "run-tools" }, seedButton(entry, act), ...tools(entry, act)))));
        this.#offerRemoval(entry);
    }

    /** Deleting takes two clicks on the same button. */
    async #offerRemoval(entry) {
        if (!(await this.#actions.canRemove(entry)) || this.#entry !== entry) return;
        const several = entry.job.artifacts.length > 1 ? ` all ${entry.job.artifacts.length}` : "";
        const button = iconButton("remove", `Delete${several}`, async () => {
            if (!button.classList.contains("sure")) {
                button.classList.add("sure");
                button.append(` Delete${several}?`);
                button.setAttribute("aria-label", `Delete${several} for good?`);
                return;
            }
            const all = this.#entries().filter(({ job }) => job.id !== entry.job.id || job === null);
            const at = this.#entries().findIndex((other) => other.isSame(entry));
            if (!(await this.#actions.remove(entry))) return;
            const next = all[Math.min(at, all.length - 1)];
            if (next) this.open(next);
            else this.close();
        }, { class: "icon small remove" });
        this.#dialog.querySelector(".run-tools").append(button);
    }
}
