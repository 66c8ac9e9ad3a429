import HTTP

/// The web page: the files of a folder, under every path that no route has.
struct Page: Sendable {
    let folder: String

    /// Scripts, styles and connections of its own origin only; pictures and clips also from memory, where previews are.
    private static let headers: HTTPHeaders = [
        "Content-Security-Policy":
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
            + "media-src 'self' blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
            + "form-action 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    ]

    static let template = "/{path...}"

    func register(in router: inout Router) {
        let files = StaticFiles(root: folder, headers: Self.headers)
        let others = router
        router.add("GET", Self.template) { request in
            // A path that exists for other methods only is not one that does not exist.
            if case .methodNotAllowed(let allow) = others.match(
                method: request.method, segments: request.target.segments)
            {
                throw HTTPError.methodNotAllowed(method: request.method, allow: allow)
            }
            return try files.response(to: request)
        }
    }
}
