// The server's routes. Paths are relative, so the page works behind a proxy that adds a prefix.

import { parseExact, writeExact } from "./exact-json.js";

const KEY = "phasor.key";

/** What the server said no to: its own sentence, and the name of the field it means (or null). */
export class APIError extends Error {
    constructor(status, { message, param, code } = {}, retryAfter = null) {
        super(message ?? `The server answered ${status}.`);
        this.status = status;
        this.param = param ?? null;
        this.code = code ?? null;
        this.retryAfter = retryAfter;
    }

    static async from(response) {
        let body = {};
        try {
            body = await response.json();
        } catch {
            // A proxy's page or nothing at all: the status has to do.
        }
        return new APIError(response.status, body.error ?? {}, Number(response.headers.get("Retry-After")) || null);
    }
}

/** The key lives as long as the tab. */
export const key = {
    get value() {
        return sessionStorage.getItem(KEY) ?? "";
    },
    set value(text) {
        if (text) sessionStorage.setItem(KEY, text);
        else sessionStorage.removeItem(KEY);
    },
};

/** @throws APIError, of status 0 where nothing answers. */
export async function send(path, options = {}) {
    const headers = { ...options.headers };
    if (key.value) headers.Authorization = `Bearer ${key.value}`;
    let response;
    try {
        response = await fetch(path, { ...options, headers });
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new APIError(0, { message: "The server does not answer." });
    }
    if (!response.ok) throw await APIError.from(response);
    return response;
}

const read = async (path, options) => parseExact(await (await send(path, options)).text());

const jobPath = (id) => `v1/jobs/${encodeURIComponent(id)}`;

export const capabilities = () => read("v1/capabilities", { cache: "no-store" });

export const createJob = (request) =>
    read("v1/jobs", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: writeExact(request),
    });

export const job = (id) => read(jobPath(id), { cache: "no-store" });

export const cancelJob = (id) => read(`${jobPath(id)}/cancel`, { method: "POST" });

/** The newest jobs, or those before the job `after`: `{data, has_more, last_id}`. */
export const recentJobs = (limit, after = null) =>
    read(`v1/jobs?limit=${limit}&order=desc${after ? `&after=${encodeURIComponent(after)}` : ""}`);

export const eventsPath = (id) => `${jobPath(id)}/events`;

/** The methods that the server's own description has for deleting: what it cannot do is not offered. */
let deletable = null;
export async function canDelete({ kind }) {
    deletable ??= read("openapi.json").then(
        ({ paths }) => ({
            job: Boolean(paths["/v1/jobs/{id}"]?.delete),
            video: Boolean(paths["/v1/videos/{id}"]?.delete),
        }),
        () => ({ job: false, video: false }));
    const { job: jobs, video } = await deletable;
    return jobs || (video && kind === "video");
}

/** Removes a finished job with its files. */
export async function deleteJob({ id, kind }) {
    const path = (await deletable)?.job ? jobPath(id) : `v1/${kind}s/${encodeURIComponent(id)}`;
    await send(path, { method: "DELETE" });
}

/** Whether a server answers at all; says nothing of the key. */
export async function isAlive() {
    try {
        return (await fetch("healthz", { cache: "no-store" })).ok;
    } catch {
        return false;
    }
}

const artifactPath = ({ id }) => `v1/artifacts/${encodeURIComponent(id)}`;

/** The bytes of an artifact, as a blob. */
/** A picture that a job starts from, for who has sent it. */
export const jobPicture = async (id, digest) => (await send(`${jobPath(id)}/pictures/${digest}`)).blob();

export const artifactBlob = async (artifact) => (await send(artifactPath(artifact))).blob();

/**
 * Where an <img> or <video> finds an artifact. Elements cannot send a key, so with one the bytes are fetched here and
 * handed over as a blob.
 */
export async function artifactURL(artifact) {
    return key.value ? URL.createObjectURL(await artifactBlob(artifact)) : artifactPath(artifact);
}
