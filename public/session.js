// What is under way: requests become jobs, one after the other, and their events become what the page shows. A job that
// was under way when the page was closed or the server stopped is picked up again.

import { APIError, artifactURL, cancelJob, createJob, eventsPath, job as jobOf } from "./api.js";
import { Entry } from "./entry.js";
import { jobEvents } from "./events.js";
import { phaseAt } from "./plan.js";
import { RunPanel } from "./stage.js";

const RUNNING = "phasor.running";
/** A screen reader hears of every step of a short run, and of a long one not more often than this. */
const ANNOUNCE_EVERY_MS = 4000;

export class Session {
    #axis;
    #pulse;
    #announce;
    #actions;
    #noted;
    #began;
    /** `{cancelled, job, stop}` while something is under way, else null. */
    #current = null;
    #announced = 0;

    /**
     * @param announce called with words for a screen reader.
     * @param actions what can be done with a finished entry.
     * @param began called with a request's body and the job that it became.
     * @param noted called with a finished job and its plan, for estimates.
     */
    constructor({ axis, pulse, announce, actions, began, noted }) {
        this.#axis = axis;
        this.#pulse = pulse;
        this.#announce = announce;
        this.#actions = actions;
        this.#began = began;
        this.#noted = noted;
    }

    get isBusy() {
        return this.#current !== null;
    }

    /** What each request will be shown in. @param blind gives letters in place of names, in the order of the requests. */
    static runs(requests, blind) {
        return requests.map((request, index) => ({
            ...request, blind, entries: [], accepted: false, job: null, finished: null,
            name: blind ? "AB"[index] : request.plan.title,
            panel: new RunPanel(request, blind ? "AB"[index] : null),
        }));
    }

    /**
     * Makes the runs, or follows those that have a job already.
     * @param accepted called once, when the server has taken the first.
     * @throws APIError that says why one was not made; those that were not begun are taken off the page.
     */
    async run(runs, accepted) {
        this.#current = { cancelled: false, job: null, stop: new AbortController(), accepted };
        try {
            // One after the other, so that neither takes time from the other and the latencies compare. A blind test's
            // order is chance, for the first one would be known by coming first.
            const order = runs[0]?.blind && Math.random() < 0.5 ? [...runs].reverse() : runs;
            for (const run of order) {
                if (this.#current.cancelled) run.panel.end("Not started");
                else await this.#follow(run);
            }
            // Which of two unnamed ones took longer would tell who made it.
            for (const { panel, finished, entries, blind } of runs) {
                if (blind && finished) panel.finish(finished, entries, this.#actions);
            }
        } catch (error) {
            for (const { panel, finished, accepted } of runs) {
                if (finished !== null) continue;
                if (!accepted) panel.element.remove();
                else panel.end(this.#current.cancelled ? "Cancelled" : "Not made");
            }
            if (!this.#current.cancelled) throw error;
        } finally {
            this.#current = null;
            sessionStorage.removeItem(RUNNING);
        }
    }

    /** The job that was under way when this tab last showed the page, or null. */
    static async leftOver() {
        const id = sessionStorage.getItem(RUNNING);
        const job = id ? await jobOf(id).catch(() => null) : null;
        return job !== null && (job.state === "queued" || job.state === "running") ? job : null;
    }

    async cancel() {
        const current = this.#current;
        if (current === null || current.cancelled) return;
        current.cancelled = true;
        this.#announce("Cancelling");
        if (current.job === null) return;
        try {
            await cancelJob(current.job);
        } catch (error) {
            // A job that ended in the meantime cannot be cancelled, and its last event is on the way. Where the server
            // is gone nothing will come.
            if (error instanceof APIError && error.status === 0) current.stop.abort();
        }
    }

    async #follow(run) {
        const current = this.#current;
        const job = run.job ?? (await createJob(run.body));
        if (!run.job) this.#began(run.body, job);
        run.accepted = true;
        current.accepted?.();
        current.accepted = null;
        current.job = job.id;
        sessionStorage.setItem(RUNNING, job.id);
        if (current.cancelled) await cancelJob(job.id);
        this.#announce(run.blind ? "Two are being made" : `${run.name} starts`);
        const lost = (isLost) => {
            run.panel.lose(isLost);
            this.#pulse.look();
        };
        for await (const { event, data } of jobEvents(eventsPath(job.id), { lost, signal: current.stop.signal })) {
            await this.#show(run, event, data);
        }
        current.job = null;
    }

    async #show(run, event, job) {
        const { plan, panel, blind } = run;
        switch (event) {
            case "queued":
                return panel.queued(job);
            case "step":
                return blind ? panel.say("Two are being made") : this.#showStep(run, job);
            case "preview":
                return panel.preview(job);
            case "decoding":
                return blind ? undefined : panel.say("Decoding");
            case "encoding":
                return blind ? undefined : panel.say(job.kind === "video" ? "Writing the clip" : "Writing the picture");
            case "done":
                run.finished = job;
                run.entries = Entry.of(job, await Promise.all(job.artifacts.map(artifactURL)));
                this.#noted(job, plan);
                if (blind) return;
                this.#axis.move(plan.name, plan.steps, false);
                panel.finish(job, run.entries, this.#actions);
                this.#announce(`${run.name} is done`);
                return;
            case "cancelled":
                this.#announce("Cancelled");
                return panel.end("Cancelled");
            case "failed":
                throw new APIError(500, job.error ?? {});
        }
    }

    #showStep(run, job) {
        const { plan, panel, name } = run;
        panel.step(job);
        const own = job.steps === plan.steps;
        const done = own ? job.step : plan.sigmas.findIndex((sigma) => sigma <= (job.sigma ?? 1));
        this.#axis.move(plan.name, Math.max(0, done), job.step < job.steps);
        document.title = `${job.step}/${job.steps} · Phasor`;
        const quiet = job.steps > 8 && performance.now() - this.#announced < ANNOUNCE_EVERY_MS;
        if (job.step >= job.steps || quiet) return;
        this.#announced = performance.now();
        const phase = phaseAt(plan, own ? plan.sigmas[job.step] : (job.sigma ?? 1));
        this.#announce(`${name}: step ${job.step + 1} of ${job.steps}, ${phase.name}`);
    }
}
