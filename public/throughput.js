// How long things take here, from the stages of finished jobs as the server measured them.

const KEPT = 6;

const median = (values) => {
    const sorted = [...values].sort((a, b) => a - b);
    return sorted[sorted.length >> 1];
};

const amount = ({ width, height, frames, count }) => width * height * frames * count;

/** What a job or a request amounts to: `{model, generator, kind, width, height, frames, count, evaluations}`. */
export function workOf(parameters, plan) {
    return {
        model: parameters.model, generator: plan.name, kind: parameters.kind,
        width: parameters.width, height: parameters.height,
        frames: parameters.kind === "video" ? parameters.num_frames : 1, count: parameters.n ?? 1,
        // A picture that is changed by strength takes about that share of the steps.
        evaluations: Math.max(1, Math.round((parameters.num_inference_steps ?? plan.steps) * (parameters.strength ?? 1)))
            * (plan.nfe / plan.steps || 1),
    };
}

export class Throughput {
    #known = [];

    /** @param job a finished one, with the seconds of its stages. */
    note(work, { text = 0, steps = [], decode = 0, encode = 0 }) {
        if (steps.length === 0) return;
        const stepping = steps.reduce((sum, step) => sum + step.seconds, 0);
        this.#known.unshift({ work, evaluation: stepping / work.evaluations, rest: text + decode + encode });
        if (this.#known.length > 60) this.#known.pop();
    }

    /** Seconds that the work will take, or null where this generator has made nothing of the kind yet. */
    estimate(work) {
        const alike = this.#known.filter(({ work: { model, kind, generator } }) =>
            model === work.model && kind === work.kind && generator === work.generator);
        const same = alike.filter(({ work: other }) => amount(other) === amount(work));
        const seconds = (same.length > 0 ? same : alike).slice(0, KEPT).map(({ work: other, evaluation, rest }) =>
            (evaluation * work.evaluations + rest) * (amount(work) / amount(other)));
        return seconds.length > 0 ? median(seconds) : null;
    }
}
