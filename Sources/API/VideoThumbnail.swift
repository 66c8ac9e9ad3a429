import Foundation
import HTTP
import Media

/// The first frame of a clip as PNG: what lists of clips show.
enum VideoThumbnail {
    /// - Throws: `MediaError`.
    static func response(
        ofClip path: String, provenance: Provenance?, etag: String, to request: HTTPRequest
    ) async throws -> HTTPResponse {
        let tag = "\"\(etag)-thumbnail\""
        var headers: HTTPHeaders = ["ETag": tag, "Cache-Control": "private, max-age=31536000, immutable"]
        if request.headers.list("If-None-Match").contains(tag) { return HTTPResponse(status: 304, headers: headers) }
        headers["Content-Type"] = "image/png"
        headers["X-Content-Type-Options"] = "nosniff"
        // Decoding takes its time, which the few threads that answer everybody do not have.
        let png = try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result { try PNG.encode(VideoReader.firstFrame(path: path), provenance: provenance) })
            }
        }
        return HTTPResponse(headers: headers, body: .bytes(png))
    }
}
