/// Which other origins' pages may read the answers. Without it (the default) no answer carries a CORS field, and
/// browsers keep other origins out.
package struct CORS: Sendable {
    /// `https://example.org`; `*` stands for every origin.
    package var origins: [String]
    package var headers = ["Authorization", "Content-Type", "X-Request-Id"]
    /// Fields of answers that pages may read.
    package var exposed = ["X-Request-Id", "Retry-After", "Content-Range", "Location"]
    /// How long a browser may remember the answer to its preflight.
    package var maxAgeSeconds = 600

    package init(origins: [String]) {
        self.origins = origins
    }

    /// Adds what an answer to a request from `origin` needs.
    func apply(to response: inout HTTPResponse, origin: String?) {
        if !origins.contains("*") { response.headers.add("Vary", "Origin") }
        guard let allowed = allowedOrigin(origin) else { return }
        response.headers["Access-Control-Allow-Origin"] = allowed
        response.headers["Access-Control-Expose-Headers"] = exposed.joined(separator: ", ")
    }

    /// Adds what the answer to a preflight needs besides. A page that may use the API may send any field: libraries add some of
    /// their own, as OpenAI's does `X-Stainless-OS`.
    /// - Parameter asked: the fields that the page wants to send.
    func applyPreflight(to response: inout HTTPResponse, origin: String?, methods: [String], asked: [String]) {
        guard allowedOrigin(origin) != nil else { return }
        response.headers["Access-Control-Allow-Methods"] = methods.joined(separator: ", ")
        let others = asked.filter { name in
            name.utf8.allSatisfy(\.isTokenCharacter) && !headers.contains { $0.equalsIgnoringCase(name) }
        }
        response.headers["Access-Control-Allow-Headers"] = (headers + others).joined(separator: ", ")
        response.headers["Access-Control-Max-Age"] = String(maxAgeSeconds)
    }

    private func allowedOrigin(_ origin: String?) -> String? {
        guard let origin else { return nil }
        if origins.contains("*") { return "*" }
        return origins.contains { $0.equalsIgnoringCase(origin) } ? origin : nil
    }
}
