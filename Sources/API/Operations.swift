import HTTP
import Serving
import Support

/// What machines ask that look after the server.
struct Operations: Sendable {
    let engine: Engine

    /// The names by which benchmark tools, load balancers and clients of other servers ask whether the process answers.
    static let life = ["/healthz", "/health", "/v1/health", "/ping"]
    static let open = Set(life + ["/readyz", "/version"])

    /// Upper bounds in seconds of an exchange; the steps of a job have finer ones of their own.
    private static let seconds = [0.01, 0.1, 1, 10, 100, 1000]

    func register(in router: inout Router) {
        for path in Self.life { router.add("GET", path) { _ in .json(["status": "ok"]) } }
        router.add("GET", "/version") { _ in .json(["name": "phasor", "version": .string(Release.version)]) }
        router.add("GET", "/readyz") { _ in
            switch engine.readiness {
            case .ready: return .json(["status": "ready"])
            case .notReady(let reason): throw APIError.unavailable(reason, code: "not_ready", retryAfter: 5)
            }
        }
        router.add("GET", "/metrics") { _ in
            ProcessMetrics.set(in: engine.metrics)
            return .text(await engine.renderMetrics(), contentType: "text/plain; version=0.0.4; charset=utf-8")
        }
    }

    /// Counts an exchange under the template of its route: ids and unknown paths make no series of their own.
    func count(_ exchange: HTTPExchange) {
        let route = exchange.route ?? "none"
        let method = exchange.route == nil ? "other" : exchange.method ?? "other"
        engine.metrics.count(
            "phasor_http_requests_total", "HTTP exchanges by method, route template and status.",
            ["method": method, "route": route, "status": String(exchange.status)])
        engine.metrics.observe(
            "phasor_http_request_seconds", "From the complete header to the last byte of the answer.",
            ["route": route], exchange.duration / .seconds(1), bounds: Self.seconds)
        engine.metrics.count(
            "phasor_http_sent_bytes_total", "Bytes of answers' bodies.", ["route": route], by: Double(exchange.bytes))
    }
}
