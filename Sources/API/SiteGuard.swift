import HTTP

/// Keeps pages of other sites, which the browser of somebody on this machine may show, from using the server.
///
/// A browser says where a request comes from: in `Sec-Fetch-Site`, which no script can set, and in `Origin`. What says
/// neither is no browser's. A name that a foreign site makes resolve to this machine (DNS rebinding) gives itself away in
/// `Host`.
package struct SiteGuard: Sendable {
    /// Names by which the server is reached; nil where any may be used.
    package let hosts: Set<String>?
    /// Whose pages may use the API: the CORS setting.
    let origins: [String]

    /// - Parameter host: what the server listens on. Names are checked for a loopback address, and only where no key is
    ///   asked for: a page elsewhere has none, and a proxy in front has a name of its own.
    package init(host: String, allowed: [String], origins: [String], hasKeys: Bool) {
        self.origins = origins
        let bound = Self.name(of: host)
        guard Self.isLoopback(bound), !hasKeys else {
            hosts = nil
            return
        }
        hosts = Set(["localhost", "127.0.0.1", "[::1]", bound] + allowed.map(Self.name))
    }

    /// - Throws: `APIError` 403, and 415 for a browser's body of no stated type.
    func admit(_ request: HTTPRequest) throws(APIError) {
        try checkHost(request.headers["Host"])
        let site = request.headers["Sec-Fetch-Site"]
        let origin = request.headers["Origin"]
        guard site != nil || origin != nil else { return }
        guard isOwn(site, origin, request.headers) || origin.map(allows) == true else {
            if isChange(request) || isForeignRead(request.headers) { throw Self.foreign }
            return
        }
        guard isChange(request), hasBody(request.headers), request.headers["Content-Type"] == nil else { return }
        // A page of any site may send a body without a type, and none that says application/json.
        throw APIError(
            status: 415, message: "Content-Type is missing; send application/json", param: "Content-Type",
            code: "unsupported_media_type")
    }

    private static let foreign = APIError(
        status: 403,
        message: "pages of other origins may not use this server; --cors-origin allows the pages of an origin",
        param: "Origin", code: "origin_not_allowed")

    // MARK: Host

    private func checkHost(_ field: String?) throws(APIError) {
        guard let hosts, let field else { return }
        let name = Self.name(of: field)
        // Browsers look names under .localhost up on this machine and nowhere else.
        guard !hosts.contains(name), !name.hasSuffix(".localhost") else { return }
        throw APIError(
            status: 403,
            message: "this server is not known as '\(name.prefix(100))'; --allowed-host gives it that name",
            param: "Host",
            code: "host_not_allowed")
    }

    /// `Localhost.:8080` is localhost; an IPv6 address is in brackets.
    private static func name(of host: String) -> String {
        var name = host.lowercased()[...]
        if name.hasPrefix("["), let end = name.firstIndex(of: "]") {
            name = name[...end]
        } else if name.utf8.count(where: { $0 == UInt8(ascii: ":") }) > 1 {
            return "[\(name)]"
        } else {
            name = name.prefix { $0 != ":" }
        }
        if name.hasSuffix(".") { name = name.dropLast() }
        return String(name)
    }

    static func isLoopback(_ host: String) -> Bool {
        let name = name(of: host)
        return name == "localhost" || name.hasPrefix("127.") || name == "[::1]"
    }

    // MARK: Origin

    private func allows(_ origin: String) -> Bool {
        origins.contains("*") || origins.contains { $0.lowercased() == origin.lowercased() }
    }

    /// Whether the page that asks is the server's own, or there is none.
    private func isOwn(_ site: String?, _ origin: String?, _ headers: HTTPHeaders) -> Bool {
        switch site {
        case "same-origin": return true
        case "same-site", "cross-site": return false
        default:
            guard let origin else { return true }
            guard let start = origin.range(of: "://") else { return false }
            let authority = origin[start.upperBound...].lowercased()
            // A page can neither choose Host nor, without being asked first, send X-Forwarded-Host.
            let forwarded = headers["X-Forwarded-Host"]?.split(separator: ",").first
            let names = [headers["Host"], forwarded.map { String($0) }].compactMap { $0 }
            return names.contains { $0.lowercased().filter { $0 != " " } == authority }
        }
    }

    private func isChange(_ request: HTTPRequest) -> Bool { request.method != "GET" && request.method != "HEAD" }

    /// Other sites may show pictures and clips, whose addresses nobody guesses, and lead here; their scripts may not read.
    private func isForeignRead(_ headers: HTTPHeaders) -> Bool {
        headers["Sec-Fetch-Site"] != nil
            && !["document", "image", "video", "audio"].contains(headers["Sec-Fetch-Dest"] ?? "")
    }

    private func hasBody(_ headers: HTTPHeaders) -> Bool {
        headers["Transfer-Encoding"] != nil || (headers["Content-Length"] ?? "0") != "0"
    }
}
