import Glibc
import Support

/// Serves the regular files under a directory, and nothing else.
///
/// Every component of a path is opened from the directory before it without following symbolic links, so that no name,
/// encoded or raced, leads out of the root. Names that start with a dot are not served. A directory answers with its
/// `index.html`.
package struct StaticFiles: Sendable {
    private let root: String
    private let headers: HTTPHeaders

    /// - Parameters:
    ///   - root: the directory; it may itself be reached through a symbolic link.
    ///   - headers: sent with every file, for example a Content-Security-Policy.
    package init(root: String, headers: HTTPHeaders = [:]) {
        self.root = root
        self.headers = headers
    }

    /// Answers GET and HEAD for a file. Throws `HTTPError.notFound`, `.rangeNotSatisfiable`.
    /// - Parameter names: the file's path below the root by its components; nil for the request's own path.
    package func response(to request: HTTPRequest, named names: [String]? = nil) throws(HTTPError) -> HTTPResponse {
        var names = names ?? request.target.segments
        if names.last == "" { names[names.count - 1] = "index.html" }
        let file = try open(names, path: request.target.rawPath)
        var headers = self.headers
        // Always asked again, cheap by ETag: a page must not outlive the server it talks to.
        headers.merge(["Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"])
        return try .file(file, contentType: ContentType.of(names.last ?? ""), for: request, headers: headers)
    }

    private func open(_ names: [String], path: String) throws(HTTPError) -> HTTPFile {
        guard let last = names.last, names.allSatisfy(Self.isPlain) else { throw .notFound(path: path) }
        var directory = Glibc.open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        for name in names.dropLast() where directory >= 0 {
            let next = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            let failure = errno
            close(directory)
            errno = failure
            directory = next
        }
        guard directory >= 0 else { return try HTTPFile(adopting: -1, name: path) }
        defer { close(directory) }
        return try HTTPFile(
            adopting: openat(directory, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), name: path)
    }

    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && !name.hasPrefix(".") && !name.utf8.contains(UInt8(ascii: "/")) && !name.utf8.contains(0)
    }
}
