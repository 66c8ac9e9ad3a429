// A generator's phase plan as the page draws it: steps along sigma, each owned by a phase and its expert.

/** SNR(sigma) = (1 - sigma)^2 / sigma^2, in decades: -Infinity is pure noise, Infinity the picture. */
export function logSNR(sigma) {
    if (sigma >= 1) return -Infinity;
    if (sigma <= 0) return Infinity;
    return 2 * Math.log10((1 - sigma) / sigma);
}

/** Sigma as it is written in tables: 1, 0.9, 0.833. */
export const sigmaText = (sigma) => String(Number(sigma.toFixed(3)));

const HUES = { 1: [5], 2: [1, 3], 3: [1, 2, 3] };

/**
 * @returns `{name, title, sigmas, steps, nfe, phases}`; `sigmas` ends with 0, so step i goes from sigmas[i] to
 *   sigmas[i + 1]; each phase has `{name, lower, upper, expert, hue, guidance}`, from noise to picture.
 */
export function planOf(generator) {
    const sigmas = [...generator.sigmas];
    if (sigmas.at(-1) !== 0) sigmas.push(0);
    const ordered = [...generator.phases].sort((a, b) => b.sigma[1] - a.sigma[1]);
    const hues = HUES[ordered.length] ?? [1, 2, 3, 4];
    const phases = ordered.map((phase, index) => ({
        name: phase.name,
        lower: phase.sigma[0],
        upper: phase.sigma[1],
        expert: phase.expert,
        guidance: phase.guidance_scale,
        hue: hues[index % hues.length],
    }));
    return {
        name: generator.name,
        title: generator.name.charAt(0).toUpperCase() + generator.name.slice(1),
        sigmas,
        steps: sigmas.length - 1,
        nfe: generator.nfe,
        phases,
    };
}

/** The phase that owns a step taken at `sigma`: lower <= sigma < upper, and 1 belongs to the noisiest. */
export const phaseAt = (plan, sigma) => plan.phases.find((phase) => sigma >= phase.lower) ?? plan.phases.at(-1);

/** Phase and expert, once where they share a name. */
export const phaseTitle = (phase, between = " · ") =>
    phase.name === phase.expert ? phase.name : `${phase.name}${between}${phase.expert}`;

/** "4 steps", and the evaluations where guidance makes them more. */
export function costText(plan) {
    const steps = plan.steps === 1 ? "1 step" : `${plan.steps} steps`;
    return plan.nfe && plan.nfe !== plan.steps ? `${steps}, ${plan.nfe} evaluations` : steps;
}
