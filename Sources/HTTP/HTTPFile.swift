import Glibc

/// An open regular file to answer with. The descriptor stays open for as long as the value lives, so the answer is of
/// one piece even when the name comes to mean another file meanwhile.
package final class HTTPFile: Sendable {
    package let size: Int
    /// Strong, of the file's identity, size and times of change: also of the one that nobody can set, so a file that was
    /// replaced has another tag even if it has the length and the date of the one before.
    package let etag: String
    package let lastModified: String
    private let descriptor: Int32

    /// Opens a file by a path the program trusts. Throws `HTTPError.notFound` (also for what is not a regular file),
    /// `.overloaded` when descriptors ran out, and `.unreadable` for all else, such as missing rights.
    package convenience init(path: String) throws(HTTPError) {
        try self.init(adopting: open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), name: path)
    }

    /// Takes over an opened descriptor, or the failure to open one (-1 and `errno`).
    init(adopting descriptor: Int32, name: String) throws(HTTPError) {
        guard descriptor >= 0 else {
            switch errno {
            case EMFILE, ENFILE: throw .overloaded("no file descriptor is free")
            // Links are not followed, and neither devices nor pipes without a writer are files.
            case ENOENT, ENOTDIR, ELOOP, ENXIO, ENODEV, ENAMETOOLONG: throw .notFound(path: name)
            default: throw .unreadable(path: name, reason: String(cString: strerror(errno)))
            }
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw .notFound(path: name)
        }
        self.descriptor = descriptor
        size = Int(status.st_size)
        let parts = [
            Int(status.st_ino), Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec), Int(status.st_ctim.tv_sec),
            Int(status.st_ctim.tv_nsec), size,
        ]
        etag = "\"" + parts.map { String($0, radix: 36) }.joined(separator: "-") + "\""
        lastModified = HTTPDate.format(status.st_mtim.tv_sec)
    }

    deinit {
        close(descriptor)
    }

    /// Up to `count` bytes from `offset`; empty at the end of the file, nil when reading failed.
    func read(at offset: Int, count: Int) -> [UInt8]? {
        var result = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            repeat {
                result = pread(descriptor, buffer.baseAddress, count, offset)
            } while result < 0 && errno == EINTR
            filled = max(0, result)
        }
        return result < 0 ? nil : bytes
    }
}

extension HTTPResponse {
    /// A file, or the part or the status that the request's conditions and range ask for (RFC 9110 13 and 14):
    /// 200, 206, 304, or `HTTPError.rangeNotSatisfiable`.
    /// - Parameter headers: sent with all of them.
    package static func file(
        _ file: HTTPFile, contentType: String, for request: HTTPRequest, headers: HTTPHeaders = [:]
    ) throws(HTTPError) -> HTTPResponse {
        var headers = headers
        headers.merge(["ETag": file.etag, "Last-Modified": file.lastModified, "Accept-Ranges": "bytes"])
        let etag = headers["ETag"] ?? file.etag
        if isUnmodified(request.headers, etag: etag, lastModified: file.lastModified) {
            return HTTPResponse(status: 304, headers: headers)
        }
        headers["Content-Type"] = contentType
        // Range is defined for GET alone.
        guard request.method == "GET", let field = request.headers["Range"], let range = ByteRange(field),
            rangeApplies(request.headers, etag: etag, lastModified: file.lastModified)
        else { return HTTPResponse(headers: headers, body: .file(file, 0..<file.size)) }
        guard let part = range.resolve(size: file.size) else { throw .rangeNotSatisfiable(size: file.size) }
        headers["Content-Range"] = "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(file.size)"
        return HTTPResponse(status: 206, headers: headers, body: .file(file, part))
    }

    private static func isUnmodified(_ headers: HTTPHeaders, etag: String, lastModified: String) -> Bool {
        let tags = headers.list("If-None-Match")
        guard tags.isEmpty else {
            return tags.contains { $0 == "*" || weak($0) == weak(etag) }
        }
        // The date is compared as text: a client gives back what it was given.
        return headers["If-Modified-Since"] == lastModified
    }

    /// A client that sends `If-Range` wants a part only of the very file whose rest it has.
    private static func rangeApplies(_ headers: HTTPHeaders, etag: String, lastModified: String) -> Bool {
        guard let condition = headers["If-Range"] else { return true }
        return condition == etag && !etag.hasPrefix("W/") || condition == lastModified
    }

    private static func weak(_ tag: String) -> Substring {
        tag.hasPrefix("W/") ? tag.dropFirst(2) : tag[...]
    }
}
