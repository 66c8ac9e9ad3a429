import HTTP
import Jobs
import Serving

/// Finished files by their ids. An id stands for the same bytes unless somebody replaces the file by hand, so clients may
/// keep them for a while, and then ask whether they still hold.
struct Artifacts: Sendable {
    let engine: Engine
    let keys: APIKeys
    let links: ArtifactLinks

    func register(in router: inout Router) {
        router.add("GET", ArtifactLinks.template) { request in
            let id = ArtifactLinks.id(request)
            if !links.opens(request), let owner = keys.caller(of: request).listedOwner {
                // Another key's is as unknown as one that never was.
                let job = try await engine.job(engine.artifact(id).job)
                guard job.owner == owner else { throw ServingError.unknownArtifact(id) }
            }
            return try await response(id, to: request)
        }
    }

    /// The file, or the part of it that the request's range asks for.
    /// - Throws: `ServingError.unknownArtifact`, `expiredArtifact`, `storage`; `HTTPError.rangeNotSatisfiable`.
    func response(_ id: String, to request: HTTPRequest) async throws -> HTTPResponse {
        if mayLeave(request), let link = try await engine.link(toArtifact: id) {
            return HTTPResponse(status: 307, headers: ["Location": link, "Cache-Control": "no-store"])
        }
        let artifact = try await engine.artifact(id)
        let file: HTTPFile
        do {
            file = try HTTPFile(path: artifact.path)
        } catch HTTPError.notFound {
            throw ServingError.expiredArtifact(id)  // since it was looked up, or by somebody's hand
        } catch HTTPError.unreadable(let path, let reason) {
            throw ServingError.storage(operation: "opening \(path)", reason: reason)
        }
        return try .file(
            file, contentType: artifact.contentType, for: request,
            headers: [
                "Cache-Control": "private, max-age=3600",
                "Content-Disposition": "inline; filename=\"\(id).\(artifact.ending)\"",
                "X-Content-Type-Options": "nosniff",
            ])
    }

    /// A page may show no picture of another server, so it is given files here. The address of another server opens for GET
    /// alone.
    private func mayLeave(_ request: HTTPRequest) -> Bool {
        request.method == "GET" && request.headers["Sec-Fetch-Site"] == nil
    }
}
