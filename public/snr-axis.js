// The SNR axis: noise on the left, picture on the right, one lane per generator. In a lane the phases are intervals
// with their experts, every step is a leap from sigma to sigma, and a needle stands at the sigma the latent has now.

import { h, s } from "./dom.js";
import { costText, logSNR, phaseAt, phaseTitle, sigmaText } from "./plan.js";

const LARGE = { label: 24, arcs: 40, bar: 24, gap: 18, scale: 44, arcWidth: 0.36 };
/** A strip under the picture: leaps and intervals without words. */
const SMALL = { label: 2, arcs: 15, bar: 5, gap: 5, scale: 0, arcWidth: 0.1 };
/** Pixels at either end for what lies beyond the drawn decades, up to infinity. */
const BEYOND = 30;
const TICK_SPACING = 36;
const NEEDLE_WIDTH = 62;
const COMMON_SIGMAS = [0.99, 0.95, 0.9, 0.75, 0.5, 0.25, 0.1];

export class SNRAxis {
    #host;
    #legend;
    #lane;
    #plans = [];
    #decades = [-3, 2];
    /** Of each generator under way: steps done, and whether it still computes. */
    #progress = new Map();
    #needles = new Map();
    #width = 0;

    /** @param legend where phases and experts are listed; null for the small strip, which has no words. */
    constructor(host, legend) {
        this.#host = host;
        this.#legend = legend;
        this.#lane = legend === null ? SMALL : LARGE;
        new ResizeObserver(() => {
            if (host.clientWidth !== this.#width) this.#draw();
        }).observe(host);
    }

    /** Fixes the decades that are drawn, so that all generators of a model stand on the same axis. */
    cover(plans) {
        const finite = plans.flatMap((plan) => plan.sigmas.map(logSNR)).filter(Number.isFinite);
        if (finite.length === 0) return;
        this.#decades = [
            Math.max(-4.5, Math.min(-2.2, Math.min(...finite) - 0.4)),
            Math.min(3, Math.max(1.6, Math.max(...finite) + 0.4)),
        ];
    }

    shows(plans) {
        return plans.length === this.#plans.length && plans.every((plan, index) => plan === this.#plans[index]);
    }

    show(plans) {
        this.#plans = plans;
        this.#progress.clear();
        this.#draw();
        if (this.#legend !== null) this.#drawLegend();
    }

    /** @param done steps done; the needle stands at the sigma they reached. */
    move(name, done, computing) {
        const known = this.#progress.has(name);
        this.#progress.set(name, { done, computing });
        if (!known) this.#draw();
        else this.#update(name);
    }

    #x(sigma) {
        const decade = logSNR(sigma);
        const [low, high] = this.#decades;
        if (decade === -Infinity) return 1;
        if (decade === Infinity) return this.#width - 1;
        const inner = this.#width - 2 * BEYOND;
        return BEYOND + (inner * (Math.min(high, Math.max(low, decade)) - low)) / (high - low);
    }

    #draw() {
        this.#width = this.#host.clientWidth;
        if (this.#width === 0 || this.#plans.length === 0) return;
        const isSmall = this.#lane === SMALL;
        const step = this.#lane.label + this.#lane.arcs + this.#lane.bar + this.#lane.gap;
        const height = this.#plans.length * step + this.#lane.scale;
        const picture = s("svg", {
            viewBox: `0 0 ${this.#width} ${height}`, width: this.#width, height,
            // The large one, which opens, says in words what both show.
            ...(isSmall ? { "aria-hidden": "true" } : { role: "img", "aria-label": this.#description() }),
        });
        this.#needles.clear();
        if (!isSmall) picture.append(this.#scale(this.#plans.length * step));
        this.#plans.forEach((plan, index) => picture.append(this.#drawLane(plan, index * step)));
        this.#host.replaceChildren(picture);
        for (const name of this.#progress.keys()) this.#update(name);
    }

    #drawLane(plan, top) {
        const { label: labelHeight, arcs: arcsHeight, bar, arcWidth } = this.#lane;
        const isSmall = this.#lane === SMALL;
        const lane = s("g", { class: "lane", transform: `translate(0 ${top})` });
        const base = labelHeight + arcsHeight;
        if (!isSmall) lane.append(s("text", { class: "lane-title", x: 1, y: 14 }, plan.title));
        lane.append(s("line", { class: "baseline", x1: 0, x2: this.#width, y1: base, y2: base }));
        for (const phase of plan.phases) lane.append(this.#interval(phase, base));
        const arcs = [];
        for (let step = 0; step < plan.steps; step += 1) {
            const [from, to] = [this.#x(plan.sigmas[step]), this.#x(plan.sigmas[step + 1])];
            const rise = Math.min(arcsHeight - (isSmall ? 3 : 6), (isSmall ? 3 : 5) + arcWidth * (to - from));
            const arc = s("path", {
                class: `leap hue-${phaseAt(plan, plan.sigmas[step]).hue}`,
                // A quadratic curve peaks at half the height of its control point.
                d: `M${from} ${base} Q${(from + to) / 2} ${base - 2 * rise} ${to} ${base}`,
            });
            arcs.push(arc);
            lane.append(arc);
        }
        const dots = plan.sigmas.map((sigma, step) => {
            const hue = phaseAt(plan, sigma || plan.sigmas[step - 1]).hue;
            const radius = (plan.steps > 12 ? 1.8 : 3.4) * (isSmall ? 0.8 : 1);
            const x = Math.min(this.#width - radius - 1, Math.max(radius + 1, this.#x(sigma)));
            return s("circle", { class: `stop hue-${hue}`, cx: x, cy: base, r: radius });
        });
        lane.append(...dots);
        const label = s("text", { class: "needle-label", "text-anchor": "middle", y: -arcsHeight - 10 });
        const pill = s("rect", {
            class: "needle-pill", x: -NEEDLE_WIDTH / 2, y: -arcsHeight - 23, width: NEEDLE_WIDTH, height: 19, rx: 9.5,
        });
        const tag = s("g", { class: "needle-tag" }, ...(isSmall ? [] : [pill, label]));
        const hand = s("g", { class: "needle-hand" },
            s("line", { y1: -arcsHeight - (isSmall ? 0 : 4), y2: bar }),
            s("circle", { class: "needle-tip", r: isSmall ? 4.5 : 5.5 }));
        const needle = s("g", { class: "needle", transform: `translate(0 ${base})`, visibility: "hidden" }, hand, tag);
        lane.append(needle);
        this.#needles.set(plan.name, { plan, needle, hand, tag, label, arcs, dots });
        return lane;
    }

    #interval(phase, base) {
        const [from, to] = [this.#x(phase.upper), this.#x(phase.lower)];
        const wide = to - from - 2;
        if (this.#lane === SMALL) {
            return s("g", { class: `interval hue-${phase.hue}` },
                s("rect", { x: from + 1, y: base + 3, width: Math.max(2, wide), height: this.#lane.bar, rx: 2 }));
        }
        const text = [phaseTitle(phase), phase.name, ""].find((words) => words.length * 6.4 < wide - 16);
        return s("g", { class: `interval hue-${phase.hue}` },
            s("rect", { x: from + 1, y: base + 5, width: Math.max(2, wide), height: this.#lane.bar, rx: 6 }),
            s("text", { x: from + wide / 2 + 1, y: base + 21, "text-anchor": "middle" }, text));
    }

    #scale(top) {
        const scale = s("g", { class: "scale", transform: `translate(0 ${top})` });
        const [low, high] = this.#decades;
        const put = (x, y, text, anchor = "middle", name = "tick") =>
            scale.append(s("text", { class: name, x, y, "text-anchor": anchor }, text));
        const few = this.#plans.find((plan) => plan.steps <= 8);
        const taken = [0, this.#width];
        put(0, 12, "σ 1", "start");
        put(this.#width, 12, "0", "end");
        for (const sigma of few ? few.sigmas : COMMON_SIGMAS) {
            const x = this.#x(sigma);
            if (taken.some((other) => Math.abs(other - x) < TICK_SPACING)) continue;
            taken.push(x);
            put(x, 12, sigmaText(sigma));
            scale.prepend(s("line", { class: "guide", x1: x, x2: x, y1: -top + this.#lane.label, y2: 0 }));
        }
        put(0, 32, "noise", "start", "tick end");
        put(this.#width, 32, "picture", "end", "tick end");
        const inner = this.#width - 2 * BEYOND;
        const every = Math.ceil((TICK_SPACING * (high - low)) / inner);
        for (let decade = Math.ceil(low); decade <= high; decade += 1) {
            const x = BEYOND + (inner * (decade - low)) / (high - low);
            if (decade % every !== 0 || x < 52 || x > this.#width - 62) continue;
            const tick = s("text", { class: "tick snr", x, y: 32, "text-anchor": "middle" });
            if (decade === 0) tick.append("SNR 1");
            else tick.append("10", s("tspan", { class: "power", dy: -4 }, String(decade).replace("-", "−")));
            scale.append(tick);
        }
        return scale;
    }

    #update(name) {
        const drawn = this.#needles.get(name);
        if (!drawn) return;
        const { done, computing } = this.#progress.get(name);
        const { plan, needle, hand, tag, label, arcs, dots } = drawn;
        const sigma = plan.sigmas[Math.min(done, plan.steps)];
        const phase = phaseAt(plan, plan.sigmas[Math.min(done, plan.steps - 1)]);
        arcs.forEach((arc, step) => {
            arc.classList.toggle("done", step < done);
            arc.classList.toggle("active", computing && step === done);
        });
        dots.forEach((dot, step) => dot.classList.toggle("done", step <= done));
        const x = Math.min(this.#width - 6.5, Math.max(6.5, this.#x(sigma)));
        const half = NEEDLE_WIDTH / 2 + 1;
        hand.style.transform = `translateX(${x}px)`;
        tag.style.transform = `translateX(${Math.min(this.#width - half, Math.max(half, x))}px)`;
        label.textContent = `σ ${sigmaText(sigma)}`;
        needle.setAttribute("class", `needle hue-${phase.hue}`);
        needle.setAttribute("visibility", "visible");
    }

    #drawLegend() {
        const several = this.#plans.length > 1;
        this.#legend.replaceChildren(...this.#plans.flatMap((plan) => plan.phases.map((phase) =>
            h("li", {},
                h("span", { class: `swatch hue-${phase.hue}` }),
                h("span", {},
                    h("b", {}, several && phase.name !== plan.name ? `${plan.title}, ${phase.name}` : phase.name),
                    ` σ ${sigmaText(phase.upper)} to ${sigmaText(phase.lower)}, `,
                    h("code", {}, phase.expert),
                    phase.guidance > 1 ? `, guidance ${phase.guidance}` : null)))));
    }

    #description() {
        return this.#plans.map((plan) =>
            `${plan.title}: ${costText(plan)} from noise to picture. ${plan.phases.map((phase) =>
                `Phase ${phase.name}, sigma ${sigmaText(phase.upper)} to ${sigmaText(phase.lower)}, ` +
                `expert ${phase.expert}.`).join(" ")}`).join(" ");
    }
}
