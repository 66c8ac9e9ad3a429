// Ties the page together: asks what the server can, turns the form into jobs, and shows what happens to them.

import { APIError, artifactURL, cancelJob, capabilities, createJob, eventsPath, key, recentJobs } from "./api.js";
import { byID, prefersStillness } from "./dom.js";
import { jobEvents } from "./events.js";
import { Form } from "./form.js";
import { Gallery } from "./gallery.js";
import { latency, secondsText } from "./media.js";
import { phaseAt } from "./plan.js";
import { SNRAxis } from "./snr-axis.js";
import { RunPanel } from "./stage.js";

const REMEMBERED = 24;
/** A screen reader hears of every step of a short run, and of a long one not more often than this. */
const ANNOUNCE_EVERY_MS = 4000;

const axis = new SNRAxis(byID("axis"), byID("legend"));
const gallery = new Gallery(byID("gallery"), byID("pictures"), { reuse, announce });
let form = null;
/** What is under way: `{cancelled, job}`; null when nothing is. */
let current = null;
let lastAnnounced = 0;

function announce(words) {
    lastAnnounced = performance.now();
    byID("progress-text").textContent = words;
}

function lamp(state, words) {
    byID("lamp").className = `lamp ${state}`;
    byID("where").textContent = words;
}

async function open() {
    let answer;
    try {
        answer = await capabilities();
    } catch (error) {
        if (error instanceof APIError && error.status === 401) return askForKey(error);
        lamp("down", "The server does not answer; trying again");
        setTimeout(open, 3000);
        return;
    }
    const model = answer.models[0];
    form = new Form(model, answer.limits, drawPlan);
    axis.cover(form.allPlans);
    drawPlan();
    lamp("ready", model.id);
    byID("generate").disabled = false;
    await remember();
}

/** Before the capabilities are known there is no form: the key comes first. */
function askForKey(error) {
    lamp("down", "An API key is needed");
    byID("key-field").hidden = false;
    byID("key-error").textContent = error.message;
    byID("key-error").hidden = false;
}

async function remember() {
    const jobs = await recentJobs(REMEMBERED).catch(() => []);
    const made = jobs.filter((job) => job.state === "succeeded" && !job.artifacts.some(({ expired }) => expired));
    for (const job of made.sort((a, b) => a.created_at - b.created_at)) {
        gallery.add(job, await Promise.all(job.artifacts.map(artifactURL)));
    }
}

function drawPlan() {
    if (current === null && !axis.shows(form.plans)) axis.show(form.plans);
}

function reuse(parameters, seed) {
    if (form === null) return;
    form.reuse(parameters, seed);
    drawPlan();
    announce(`Prompt and seed ${seed} are in the form`);
    byID("prompt").focus();
}

async function generate() {
    if (form === null || current !== null) return;
    form.clearErrors();
    const runs = form.requests().map((request) => {
        return { ...request, panel: new RunPanel(request), accepted: false, finished: null };
    });
    current = { cancelled: false, job: null };
    const focused = document.activeElement === byID("generate");
    form.setBusy(true);
    if (focused) byID("cancel").focus({ preventScroll: true });
    lamp("busy", byID("where").textContent);
    byID("verdict").hidden = true;
    axis.show(runs.map(({ plan }) => plan));
    byID("runs").replaceChildren(...runs.map(({ panel }) => panel.element));
    byID("runs").className = `runs runs-${runs.length}`;
    bringIntoView();
    try {
        // One after the other, so that neither takes time from the other and the latencies compare.
        for (const run of runs) {
            if (current.cancelled) run.panel.end("Not started");
            else await follow(run);
        }
        if (runs.length > 1) compare(runs);
    } catch (error) {
        form.show(error);
        if (error instanceof APIError && error.param) announce(error.message);
        for (const { panel, finished, accepted } of runs) {
            if (!accepted) panel.element.remove();
            else if (finished === null) panel.end("Not made");
        }
    } finally {
        current = null;
        document.title = "Phasor";
        lamp("ready", byID("where").textContent);
        const cancelFocused = document.activeElement === byID("cancel");
        form.setBusy(false);
        if (cancelFocused) byID("generate").focus({ preventScroll: true });
    }
}

/** On a narrow page the axis and the pictures are below the form. */
function bringIntoView() {
    const plan = byID("axis").parentElement;
    if (plan.getBoundingClientRect().top < innerHeight * 0.6) return;
    plan.scrollIntoView({ block: "start", behavior: prefersStillness() ? "auto" : "smooth" });
}

/** Sends one job and shows its events until it ends. */
async function follow(run) {
    const { plan, panel, body } = run;
    const job = await createJob(body);
    run.accepted = true;
    current.job = job.id;
    if (current.cancelled) await cancelJob(job.id);
    announce(`${plan.title} starts`);
    for await (const { event, data } of jobEvents(eventsPath(job.id))) {
        switch (event) {
            case "queued":
                panel.queued(data.queue_position ?? 0);
                break;
            case "step":
                showStep(run, data);
                break;
            case "preview":
                panel.preview({ ...data.preview, source: `data:image/png;base64,${data.preview.b64_json}` });
                break;
            case "decoding":
                panel.say("Decoding the latent");
                break;
            case "encoding":
                panel.say(data.kind === "video" ? "Encoding the clip" : "Writing the picture");
                break;
            case "done":
                axis.move(plan.name, plan.steps, false);
                await showResult(run, data);
                break;
            case "cancelled":
                panel.end("Cancelled");
                announce(`${plan.title} cancelled`);
                break;
            case "failed":
                throw new APIError(500, data.error ?? {});
        }
    }
    current.job = null;
}

function showStep({ plan, panel }, job) {
    panel.step(job);
    axis.move(plan.name, job.step, job.step < job.steps);
    document.title = `${job.step}/${job.steps} · Phasor`;
    const quiet = job.steps > 8 && performance.now() - lastAnnounced < ANNOUNCE_EVERY_MS;
    if (job.step >= job.steps || quiet) return;
    const phase = phaseAt(plan, plan.sigmas[job.step]);
    announce(`${plan.title}: step ${job.step + 1} of ${job.steps}, ${phase.name}`);
}

async function showResult(run, job) {
    const urls = await Promise.all(job.artifacts.map(artifactURL));
    run.finished = job;
    run.panel.finish(job, urls);
    gallery.add(job, urls);
    announce(`${run.plan.title} is done in ${secondsText(latency(job))}`);
}

/** What the same prompt and seed cost each generator, as the server measured it. */
function compare(runs) {
    const times = runs
        .filter(({ finished }) => finished !== null)
        .map(({ plan, finished }) => ({ title: plan.title, seconds: latency(finished) }))
        .sort((a, b) => a.seconds - b.seconds);
    if (times.length < 2) return;
    const [fastest, slowest] = [times[0], times.at(-1)];
    const factor = slowest.seconds / fastest.seconds;
    const words =
        `Same prompt, same seed: ${fastest.title} ${secondsText(fastest.seconds)}, ` +
        `${slowest.title} ${secondsText(slowest.seconds)}, ${factor.toFixed(1)} times as long.`;
    byID("verdict").textContent = words;
    byID("verdict").hidden = false;
    announce(words);
}

async function cancel() {
    if (current === null || current.cancelled) return;
    current.cancelled = true;
    announce("Cancelling");
    // A job that ended in the meantime cannot be cancelled, and its last event is on the way: nothing to do.
    if (current.job !== null) await cancelJob(current.job).catch(() => {});
}

byID("form").addEventListener("submit", (event) => {
    event.preventDefault();
    generate();
});
byID("cancel").addEventListener("click", cancel);
byID("key").addEventListener("change", () => {
    key.value = byID("key").value.trim();
    byID("key-error").hidden = true;
    if (form === null) open();
});
document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        generate();
    } else if (event.key === "Escape") {
        cancel();
    }
});
open();
