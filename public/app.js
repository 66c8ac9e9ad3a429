// Ties the page together: asks what the server can, turns the form into jobs, and shows what happens to them.

import { APIError, artifactBlob, artifactURL, canDelete, capabilities, deleteJob, job as jobOf, key, recentJobs } from "./api.js";
import { AxisPanel } from "./axis-panel.js";
import { BlindTest } from "./blind.js";
import { Card } from "./card.js";
import { Comparison } from "./compare.js";
import { byID, h, prefersStillness } from "./dom.js";
import { acceptFiles } from "./drop.js";
import { Entry, entryInLink, nextSteps } from "./entry.js";
import { Form } from "./form.js";
import { Gallery } from "./gallery.js";
import { Ideas } from "./ideas.js";
import { playUnderThePointer, roughly } from "./media.js";
import { Pulse } from "./pulse.js";
import { Session } from "./session.js";
import { kindsOf, Start } from "./start.js";
import { Throughput, workOf } from "./throughput.js";
import { Viewer } from "./viewer.js";
import { inWords } from "./words.js";

const PAGE = 24;
const MODEL = "phasor.model";
const NO_START = { image: null, last_image: null, images: null, strength: null };
const MISSING = "It was made from a picture that this page does not have: choose that one.";

const axis = new AxisPanel();
const pulse = new Pulse(serverChanged);
const throughput = new Throughput();
const start = new Start();
const comparison = new Comparison(announce);
const blind = new BlindTest({ announce, next });
const actions = {
    open: (entry) => viewer.open(entry),
    copy, use, again, canRemove: ({ job }) => canDelete(job), remove,
};
const session = new Session({ axis, pulse, announce, actions, noted: note, began: (body, job) => start.remember(body, job) });
const gallery = new Gallery(byID("gallery"), byID("pictures"), actions);
const viewer = new Viewer({ entries: () => [...onStage, ...gallery.entries], actions });
let served = null;
let form = null;
/** What the model knows, once it is read. */
let card = null;
let ideas = null;
/** What was finished last stands on the stage; the gallery takes it when the next one begins. */
let onStage = [];
let older = null;

function announce(words) {
    byID("progress-text").textContent = words;
}

/** Words for everybody, for a while. */
function say(words) {
    announce(words);
    byID("toast").textContent = words;
    byID("toast").hidden = false;
    clearTimeout(say.timer);
    say.timer = setTimeout(() => {
        byID("toast").hidden = true;
    }, 5000);
}

function lamp(state, words) {
    byID("lamp").className = `lamp ${state}`;
    byID("where").textContent = words;
    byID("where").hidden = state !== "down" && !byID("model").hidden;
}

const ready = () => lamp(session.isBusy ? "busy" : "ready", form.model.id);

// MARK: The server

async function open() {
    let answer;
    try {
        answer = await capabilities();
    } catch (error) {
        if (error instanceof APIError && error.status === 401) return askForKey(error);
        lamp("down", inWords(error, null).text);
        pulse.look();
        setTimeout(open, 2000);
        return;
    }
    served = answer;
    const { models } = answer;
    const wanted = sessionStorage.getItem(MODEL);
    byID("model").replaceChildren(...models.map(({ id }) => h("option", { value: id }, id)));
    byID("model").hidden = models.length < 2;
    await take(models.find(({ id }) => id === wanted) ?? models[0]);
    await remember();
    await pickUp();
    await follow();
}

/** The form, the axis and the samples become those of that model. */
async function take(model) {
    form?.close();
    byID("model").value = model.id;
    form = new Form(model, served.limits, start, drawPlan);
    const several = form.allPlans.length > 1;
    actions.change = start.useFor("image") === null ? null : change;
    actions.move = kindsOf(model).includes("video") ? move : null;
    actions.moveFrom = start.useFor("video") === null ? null : move;
    actions.moveTitle = actions.moveFrom ? "A clip that begins with this picture" : "The same prompt and seed as a clip";
    gallery.redraw();
    actions.compare = several ? compare : null;
    actions.compareWords = `Beside ${form.reference.title.toLowerCase()}`;
    axis.cover(form.allPlans);
    drawPlan();
    ready();
    byID("generate").disabled = false;
    byID("surprise").disabled = true;
    card = null;
    const known = await Card.of(model);
    if (form.model !== model) return;
    card = known;
    ideas = new Ideas(card, form, say);
    ideas.setAside(session.isBusy || onStage.length > 0);
    byID("surprise").disabled = false;
}

/** Before the capabilities are known there is no form: the key comes first. */
function askForKey(error) {
    lamp("down", "A key is needed");
    byID("key-field").hidden = false;
    byID("key-error").textContent = inWords(error, null).text;
    byID("key-error").hidden = false;
}

async function serverChanged(isAlive) {
    byID("banner").hidden = isAlive;
    byID("banner").textContent = isAlive ? "" : "The server does not answer. This page tries again by itself; nothing is lost here.";
    if (!isAlive) return lamp("down", "The server does not answer");
    if (form === null) return;
    announce("The server is back");
    const answer = await capabilities().catch(() => null);
    if (answer !== null && JSON.stringify(answer) !== JSON.stringify(served)) {
        // Another model, or another version of it: the form would promise what is no longer there.
        if (!session.isBusy) return location.reload();
    }
    ready();
}

async function remember() {
    const page = await recentJobs(PAGE).catch(() => ({ data: [] }));
    gallery.clear();
    await showJobs(page);
}

async function showJobs({ data, has_more: hasMore, last_id: lastID }) {
    const made = data.filter((job) => job.state === "succeeded" && !job.artifacts.some(({ expired }) => expired));
    for (const job of made) {
        gallery.add(Entry.of(job, await Promise.all(job.artifacts.map(artifactURL))), true);
        if (job.parameters.model === form.model.id) note(job, form.plan(job.parameters.generator));
    }
    older = hasMore ? lastID : null;
    byID("older").hidden = older === null;
    drawEstimate();
}

/** The job that this tab was following when it was closed. */
async function pickUp() {
    const job = await Session.leftOver();
    if (job !== null) await watch(job);
}

async function watch(job) {
    const { parameters } = job;
    const body = { ...parameters, size: `${parameters.width}x${parameters.height}` };
    await carryOut(Session.runs([{ plan: form.plan(parameters.generator), body }], false).map((run) => ({ ...run, job })));
}

/** What the address names: a finished picture in the large view, or one in the making on the stage. */
async function follow() {
    const named = entryInLink(location.hash);
    if (named === null || form === null) return;
    const known = [...onStage, ...gallery.entries].find(({ job, index }) => job.id === named.id && index === named.index);
    if (known) return viewer.open(known);
    try {
        const job = await jobOf(named.id);
        if (job.state === "queued" || job.state === "running") return session.isBusy ? undefined : await watch(job);
        if (job.state !== "succeeded" || job.artifacts.some(({ expired }) => expired)) throw new APIError(410);
        const entries = Entry.of(job, await Promise.all(job.artifacts.map(artifactURL)));
        gallery.add(entries, true);
        viewer.open(entries[Math.min(named.index, entries.length - 1)]);
    } catch (error) {
        say(inWords(error, form.model).text);
    }
}

// MARK: Making

function drawPlan() {
    if (form === null) return;
    if (!session.isBusy && onStage.length === 0) axis.show(form.plans);
    drawEstimate();
}

function note(job, plan) {
    throughput.note(workOf(job.parameters, plan), job.timings);
}

function drawEstimate() {
    if (form === null) return;
    const seconds = form.plans.map((plan) => throughput.estimate(workOf(form.parameters(), plan)));
    const total = seconds.every((one) => one !== null) ? seconds.reduce((sum, one) => sum + one, 0) : null;
    byID("estimate").hidden = total === null;
    byID("estimate").textContent = total === null ? "" : `Takes about ${roughly(total)} here.`;
}

async function generate({ surprise = false } = {}) {
    if (form === null || session.isBusy) return;
    form.clearErrors();
    if (surprise) form.setPrompt(ideas.surprise());
    if (form.prompt === "") return form.show({ field: "prompt", text: "Say what is to be seen." });
    const missing = start.missing(form.kind);
    if (missing !== null) return form.show({ field: "start", text: missing });
    const isBlind = form.comparison === "blind";
    let requests = form.requests();
    if (isBlind && Math.random() < 0.5) requests = requests.reverse();
    const runs = Session.runs(requests, isBlind);
    for (const { panel, plan } of runs) panel.expect(throughput.estimate(workOf(form.parameters(), plan)));
    await carryOut(runs);
}

/** Another pair for the blind test. */
function next() {
    form.setSeed(null);
    generate({ surprise: true });
}

/** Puts the runs on the stage and sees them through. What stood there comes back where the server takes none. */
async function carryOut(runs) {
    const before = { entries: onStage, panels: Array.from(byID("runs").children), names: byID("runs").className, plans: axis.plans };
    onStage = [];
    byID("comparison").hidden = true;
    const accepted = () => {
        gallery.add(before.entries);
        comparison.clear();
    };
    const focused = document.activeElement;
    form.setBusy(true);
    if (focused === byID("generate") || focused === byID("surprise")) byID("cancel").focus({ preventScroll: true });
    if (runs[0].blind) axis.hide();
    else axis.restart(runs.map(({ plan }) => plan));
    byID("runs").replaceChildren(...runs.map(({ panel }) => panel.element));
    byID("runs").className = `runs runs-${runs.length}`;
    byID("runs").hidden = false;
    ideas?.setAside(true);
    bringIntoView();
    try {
        const making = session.run(runs, accepted);
        ready();
        await making;
    } catch (error) {
        const said = inWords(error, form.model);
        form.show(error.status === 401 ? { ...said, field: "key" } : said);
        announce(said.text);
        if (error.status === 0) pulse.look();
    } finally {
        onStage = runs.flatMap(({ entries }) => entries);
        document.title = "Phasor";
        const cancelFocused = document.activeElement === byID("cancel");
        form.setBusy(false);
        if (cancelFocused) byID("generate").focus({ preventScroll: true });
        if (pulse.alive) ready();
    }
    if (runs.some((run) => run.accepted)) {
        if (runs.length > 1) comparison.show(runs);
        if (runs[0].blind) blind.ask(runs);
        else if (runs.length === 1 && onStage.length === 1) runs[0].panel.offer(nextSteps(onStage[0], actions));
    } else {
        onStage = before.entries;
        byID("runs").replaceChildren(...before.panels);
        byID("runs").className = before.names;
        byID("runs").hidden = before.panels.length === 0;
        byID("comparison").hidden = byID("comparison").childElementCount === 0;
        axis.restart(before.plans);
        ideas?.setAside(before.panels.length > 0);
    }
    drawEstimate();
}

/** On a narrow page the pictures are below the form. */
function bringIntoView() {
    const stage = byID("stage").getBoundingClientRect();
    if (stage.top >= 0 && stage.top < innerHeight * 0.35) return;
    byID("stage").scrollIntoView({ block: "start", behavior: prefersStillness() ? "auto" : "smooth" });
}

// MARK: What can be done with a finished one

async function use({ job, seed }) {
    if (form === null) return;
    await start.bring(job);
    const isWhole = form.reuse(job.parameters, seed);
    say(`Prompt and seed ${seed} are in the form.${isWhole ? "" : ` ${MISSING}`}`);
    byID("prompt").focus();
}

async function again({ job }) {
    await start.bring(job);
    if (!form.reuse(job.parameters, null)) return say(MISSING);
    generate();
}

/** The picture becomes the start; where a network reads it, the words say what to change and are not those that made it. */
async function change(entry) {
    if (start.useFor("image") === "changed") form.reuse({ ...entry.job.parameters, ...NO_START }, null);
    else form.choose("kind", "image");
    if (!(await startFrom(entry))) return;
    say("The next one starts from this picture. Say what is to be seen.");
    byID("prompt").focus();
    byID("prompt").select();
}

/** A clip that begins with the picture, or else one of the same words. Of a picture that is given, words say how it goes on. */
async function move(entry) {
    const { job, seed } = entry;
    const words = (actions.moveFrom && card?.movement()) ?? job.parameters.prompt;
    form.reuse(
        { ...job.parameters, ...NO_START, prompt: words, kind: "video", num_frames: form.model.frames.default }, seed);
    if (actions.moveFrom && !(await startFrom(entry))) return;
    generate();
}

/** @returns whether its picture is the start. */
async function startFrom({ artifact, fileName }) {
    try {
        return await start.take(await artifactBlob(artifact), fileName, { alone: true });
    } catch (error) {
        say(inWords(error, form.model).text);
        return false;
    }
}

async function compare({ job, seed }) {
    await start.bring(job);
    if (!form.reuse(job.parameters, seed)) return say(MISSING);
    form.choose("compare", "beside");
    generate();
}

async function copy(button, text, name) {
    try {
        await navigator.clipboard.writeText(text);
    } catch {
        // Browsers refuse the clipboard to pages without TLS, localhost apart.
        return say(`This browser did not let the page copy. ${name}: ${text}`);
    }
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1200);
    say(`${name} copied`);
}

/** @returns whether it is gone. */
async function remove({ job }) {
    try {
        await deleteJob(job);
    } catch (error) {
        if (!(error instanceof APIError && error.status === 404)) {
            say(inWords(error, form.model).text);
            return false;
        }
    }
    gallery.removeJob(job.id);
    if (onStage.some((entry) => entry.job.id === job.id)) {
        onStage = [];
        comparison.clear();
        byID("runs").replaceChildren();
        byID("runs").hidden = true;
        ideas?.setAside(false);
    }
    say("Deleted");
    return true;
}

/** A file that says how it was made gives that back, and may be the start; a picture that does not is the start. */
async function takeFile({ name, file, parameters }) {
    if (form === null) return;
    if (parameters === null) return takeStart(file, name || "This file");
    const isWhole = form.reuse(parameters, parameters.seed);
    const other = parameters.model !== null && parameters.model !== form.model.id ? ` It was made with ${parameters.model}.` : "";
    const offer = start.offer(file) ? " The form offers to start from it, too." : "";
    say(`Its settings are in the form.${other}${isWhole ? "" : ` ${MISSING}`}${offer}`);
    byID("prompt").focus();
}

async function takeStart(file, name) {
    if (!start.isTaken) return say(`${name} does not say how it was made, and ${form.model.id} does not start from pictures.`);
    if (!(await start.take(file, name))) {
        return say(`${name} does not say how it was made, and is no picture that this browser can read.`);
    }
    say(`${name} is the start of the next one`);
    byID("prompt").focus();
}

// MARK: Events

byID("form").addEventListener("submit", (event) => {
    event.preventDefault();
    generate();
});
byID("surprise").addEventListener("click", () => generate({ surprise: true }));
byID("cancel").addEventListener("click", () => session.cancel());
byID("older").addEventListener("click", async () => {
    const page = await recentJobs(PAGE, older).catch((error) => say(inWords(error, form.model).text));
    if (page) await showJobs(page);
});
byID("model").addEventListener("change", async ({ target }) => {
    sessionStorage.setItem(MODEL, target.value);
    await take(served.models.find(({ id }) => id === target.value));
});
byID("key").addEventListener("change", () => {
    key.value = byID("key").value.trim();
    byID("key-error").hidden = true;
    if (form === null) open();
});
addEventListener("hashchange", follow);
document.addEventListener("keydown", (event) => {
    if (viewer.isOpen) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        generate();
    } else if (event.key === "Escape") {
        session.cancel();
    }
});
acceptFiles(takeFile);
playUnderThePointer();
if (matchMedia("(min-width: 56rem)").matches) byID("settings").open = true;
open();
