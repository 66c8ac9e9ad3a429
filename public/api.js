// The server's routes. Paths are relative, so the page works behind a proxy that adds a prefix.

const KEY = "phasor.key";

/** What the server said no to: its own sentence, and the name of the field it means (or null). */
export class APIError extends Error {
    constructor(status, { message, param, code } = {}) {
        super(message ?? `The server answered ${status}.`);
        this.status = status;
        this.param = param ?? null;
        this.code = code ?? null;
    }

    static async from(response) {
        let body = {};
        try {
            body = await response.json();
        } catch {
            // A proxy's page or nothing at all: the status has to do.
        }
        return new APIError(response.status, body.error ?? {});
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

export async function send(path, options = {}) {
    const headers = { ...options.headers };
    if (key.value) headers.Authorization = `Bearer ${key.value}`;
    let response;
    try {
        response = await fetch(path, { ...options, headers });
    } catch {
        throw new APIError(0, { message: "The server does not answer." });
    }
    if (!response.ok) throw await APIError.from(response);
    return response;
}

const read = async (path, options) => (await send(path, options)).json();

export const capabilities = () => read("v1/capabilities");

export const createJob = (request) =>
    read("v1/jobs", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(request),
    });

export const cancelJob = (id) => read(`v1/jobs/${encodeURIComponent(id)}/cancel`, { method: "POST" });

export const recentJobs = async (limit) => (await read(`v1/jobs?limit=${limit}&order=desc`)).data;

export const eventsPath = (id) => `v1/jobs/${encodeURIComponent(id)}/events`;

/**
 * Where an <img> or <video> finds an artifact. Elements cannot send a key, so with one the bytes are fetched here and
 * handed over as a blob.
 */
export async function artifactURL(artifact) {
    const path = `v1/artifacts/${encodeURIComponent(artifact.id)}`;
    return key.value ? URL.createObjectURL(await (await send(path)).blob()) : path;
}
