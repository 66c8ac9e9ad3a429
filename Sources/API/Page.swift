import HTTP

/// The web page: the files of a folder, under every path that no route has.
struct Page: Sendable {
    let folder: String

    /// Scripts, styles and connections of its own origin only; pictures and clips also from memory, where previews are.
    static let headers: HTTPHeaders = [
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
        router.add("GET", Self.template) { try files.response(to: $0) }
    }
}
