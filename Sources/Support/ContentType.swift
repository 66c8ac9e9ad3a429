/// The content types of files by the endings of their names: what a static file, an object in a store and a file that was
/// made are sent as.
package enum ContentType {
    /// Bytes of no known kind. A browser offers them for download and does not run them.
    package static let bytes = "application/octet-stream"

    /// The content type that the ending of a file's name stands for, in capitals or not; `bytes` for any other ending and for
    /// none.
    /// - Parameter name: a name, or a path with slashes.
    package static func of(_ name: String) -> String { byEnding[ending(of: name) ?? ""] ?? bytes }

    /// What stands behind the last dot of a name, in small letters; nil where the last part of the path has no dot.
    package static func ending(of name: String) -> String? {
        let last =
            name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).last ?? name.utf8[...]
        guard let dot = last.lastIndex(of: UInt8(ascii: ".")) else { return nil }
        return String(Substring(last[last.index(after: dot)...])).lowercased()
    }

    private static let byEnding = [
        // What is made and given.
        "png": "image/png",
        "jpg": "image/jpeg", "jpeg": "image/jpeg",
        "webp": "image/webp",
        "mp4": "video/mp4",
        // What a page is made of.
        "html": "text/html; charset=utf-8", "htm": "text/html; charset=utf-8",
        "css": "text/css; charset=utf-8",
        "js": "text/javascript; charset=utf-8", "mjs": "text/javascript; charset=utf-8",
        "json": "application/json", "map": "application/json",
        "webmanifest": "application/manifest+json",
        "txt": "text/plain; charset=utf-8",
        "md": "text/markdown; charset=utf-8",
        "svg": "image/svg+xml",
        "ico": "image/x-icon",
        "webm": "video/webm",
        "woff2": "font/woff2",
        "wasm": "application/wasm",
    ]
}
