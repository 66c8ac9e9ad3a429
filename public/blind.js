// The blind test: two unnamed results of one prompt and seed, a vote, and who is preferred how surely. Votes are kept in
// this browser, for each model, kind and pair of generators.

import { byID, h } from "./dom.js";
import { wilson } from "./wilson.js";

const percent = (share) => `${Math.round(share * 100)}`;

export class BlindTest {
    #host = byID("comparison");
    #announce;
    #next;

    /** @param next called for another pair. */
    constructor({ announce, next }) {
        this.#announce = announce;
        this.#next = next;
    }

    /** @param runs the two, A and B. Adds itself below what compares them. */
    ask(runs) {
        if (runs.some(({ finished }) => finished === null)) return;
        const key = keyOf(runs);
        const box = h("div", { class: "blind", role: "group", "aria-label": "Which is better?" });
        const vote = (winner, words) => {
            const votes = read(key);
            if (winner === null) votes.ties += 1;
            else votes[winner.plan.name] = (votes[winner.plan.name] ?? 0) + 1;
            localStorage.setItem(key, JSON.stringify(votes));
            for (const { panel, finished } of runs) panel.reveal(finished);
            this.#show(box, runs, key, words);
        };
        box.append(h("p", { class: "blind-question" }, "Which is better?"),
            ...runs.map((run) => h("button", {
                type: "button", class: "secondary", id: `vote-${run.name}`, onclick: () => vote(run, `You chose ${run.plan.title}.`),
            }, run.name)),
            h("button", { type: "button", class: "secondary", id: "vote-none", onclick: () => vote(null, "You saw no difference.") },
                "No difference"));
        this.#host.hidden = false;
        this.#host.append(box);
        box.querySelector("button").focus({ preventScroll: true });
    }

    #show(box, runs, key, words) {
        const next = h("button", { type: "button", class: "primary", id: "next-pair", onclick: () => this.#next() }, "Next pair");
        const tally = h("p", { id: "tally" }, `${words} ${tallyWords(runs, read(key))}`);
        box.replaceChildren(tally, interval(runs, read(key)), next,
            h("button", {
                type: "button", class: "link", onclick: () => {
                    localStorage.removeItem(key);
                    tally.textContent = "The votes are forgotten.";
                    box.querySelector(".interval-plot")?.remove();
                },
            }, "Forget the votes"));
        next.focus({ preventScroll: true });
        this.#announce(tally.textContent);
    }
}

const keyOf = (runs) => {
    const names = runs.map(({ plan }) => plan.name).sort().join("|");
    const { model, kind } = runs[0].finished.parameters;
    return `phasor.votes.${model}.${kind}.${names}`;
};

function read(key) {
    try {
        return { ties: 0, ...JSON.parse(localStorage.getItem(key)) };
    } catch {
        return { ties: 0 };
    }
}

/** The one with fewer evaluations is what is judged, whichever letter it had. */
function judged(runs, votes) {
    const [student, other] = runs.map(({ plan }) => plan).sort((a, b) => a.nfe - b.nfe || a.name.localeCompare(b.name));
    const wins = votes[student.name] ?? 0;
    return { student, other, wins, decided: wins + (votes[other.name] ?? 0) };
}

function tallyWords(runs, votes) {
    const { student, other, wins, decided } = judged(runs, votes);
    const ties = votes.ties > 0 ? ` ${votes.ties} without a difference.` : "";
    if (decided === 0) return `No vote for either yet.${ties}`;
    const [low, high] = wilson(wins, decided);
    return `${student.title} was preferred to ${other.title} in ${wins} of ${decided} votes: ${percent(wins / decided)} %, ` +
        `95 % interval ${percent(low)} to ${percent(high)} %.${ties}`;
}

/** The share and its interval on a line from 0 to 100 %, with the half in the middle. */
function interval(runs, votes) {
    const { wins, decided } = judged(runs, votes);
    const plot = h("div", { class: "interval-plot", "aria-hidden": "true" },
        h("span", { class: "interval-range" }), h("span", { class: "interval-point" }));
    const [low, high] = wilson(wins, decided);
    const [range, point] = plot.children;
    range.style.left = `${low * 100}%`;
    range.style.width = `${(high - low) * 100}%`;
    point.style.left = `${decided > 0 ? (wins / decided) * 100 : 50}%`;
    point.hidden = decided === 0;
    return plot;
}
