import Cluster
import Foundation
import Jobs
import Logging
import PostgreSQL
import Support
import Web

/// Where the jobs are that `phasor jobs` speaks of. Jobs are JSON objects, as `GET /v1/jobs/{id}` has them.
protocol JobDesk {
    /// The newest jobs first.
    /// - Parameter after: the last job of the page before.
    func page(kind: String?, after: String?) async throws -> (jobs: [JSON], hasMore: Bool)
    func job(_ id: String) async throws -> JSON
    func cancel(_ id: String) async throws -> JSON
    func retry(_ id: String) async throws -> JSON
}

/// A running server.
struct ServerDesk: JobDesk {
    /// The server's address without a slash at its end.
    private let base: String
    private let key: String?

    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    /// Returns nil for a text that is no address.
    init?(url: String, key: String?) {
        guard let parts = URLComponents(string: url), ["http", "https"].contains(parts.scheme?.lowercased() ?? ""),
            parts.host?.isEmpty == false
        else { return nil }
        // Clients of OpenAI's routes are given the address with /v1 behind it.
        let address = url.hasSuffix("/") ? String(url.dropLast()) : url
        base = address.hasSuffix("/v1") ? String(address.dropLast(3)) : address
        self.key = key
    }

    func page(kind: String?, after: String?) async throws -> (jobs: [JSON], hasMore: Bool) {
        let more = [("kind", kind), ("after", after)].compactMap { name, value in
            value.map { "&\(name)=\(PercentEncoding.text($0))" }
        }
        let page = try ask("GET", "/v1/jobs?limit=100" + more.joined())
        return (page["data"]?.array ?? [], page["has_more"]?.bool ?? false)
    }

    func job(_ id: String) async throws -> JSON { try ask("GET", "/v1/jobs/\(PercentEncoding.text(id))") }
    func cancel(_ id: String) async throws -> JSON { try ask("POST", "/v1/jobs/\(PercentEncoding.text(id))/cancel") }
    func retry(_ id: String) async throws -> JSON { try ask("POST", "/v1/jobs/\(PercentEncoding.text(id))/retry") }

    private func ask(_ method: String, _ path: String) throws -> JSON {
        var request = WebRequest(method, base + path)
        request.headers = key.map { [("Authorization", "Bearer \($0)")] } ?? []
        let answer: WebRequest.Answer
        do throws(WebRequest.Failure) {
            answer = try request.send()
        } catch {
            throw Fault(description: "\(base): \(error.reason)")
        }
        let value = try? JSON(parsing: answer.body)
        guard answer.isSuccess, let value else {
            throw Fault(description: value?["error"]?["message"]?.string ?? "\(base): it answered \(answer.status)")
        }
        return value
    }
}

/// A state folder. What it holds is shown whether or not a server works on it; it is changed only where none does.
struct FolderDesk: JobDesk {
    let folder: String

    private static let pageSize = 100

    func page(kind: String?, after: String?) async throws -> (jobs: [JSON], hasMore: Bool) {
        let kind = kind.flatMap(GenerationRequest.Kind.init(rawValue:))
        let page = try JobArchive(folder: folder).jobs(kind: kind, limit: Self.pageSize, after: after)
        return (try page.jobs.map(Self.json), page.hasMore)
    }

    func job(_ id: String) async throws -> JSON { try Self.json(JobArchive(folder: folder).job(id)) }

    func cancel(_ id: String) async throws -> JSON {
        let store = try store()
        defer { store.release() }
        _ = try await store.cancel(store.job(id), at: .storable)
        return try Self.json(await store.job(id))
    }

    func retry(_ id: String) async throws -> JSON {
        let store = try store()
        defer { store.release() }
        return try Self.json(await store.retry(id).job)
    }

    private func store() throws -> JobStore {
        do {
            return try JobArchive.store(of: folder, logger: Logger(label: "phasor"))
        } catch ServingError.stateInUse {
            throw ServerDesk.Fault(
                description: "a server works on \(folder): say with --server http://HOST:PORT where it listens")
        }
    }

    fileprivate static func json(_ job: Job) throws -> JSON { try JSON(parsing: [UInt8](JSONEncoder().encode(job))) }
}

/// The database that several machines share. It may be changed while they work: whoever computes a job learns of it.
struct LedgerDesk: JobDesk {
    let ledger: PostgresLedger

    /// - Throws: `PostgresFault`, `ClusterFault`, `ServingError.storage`.
    init(store: String) throws {
        let options = LedgerOptions(address: try PostgresAddress(store), folder: "", blobs: nil) { _ in
            JobNeeds(part: "", shape: "", weights: [:])
        }
        ledger = try PostgresLedger(options: options, logger: Logger(label: "phasor"))
    }

    func page(kind: String?, after: String?) async throws -> (jobs: [JSON], hasMore: Bool) {
        let kind = kind.flatMap(GenerationRequest.Kind.init(rawValue:))
        let page = try await ledger.jobs(kind: kind, owner: nil, limit: 100, after: after, oldestFirst: false)
        return (try page.jobs.map(FolderDesk.json), page.hasMore)
    }

    func job(_ id: String) async throws -> JSON { try FolderDesk.json(await ledger.job(id)) }

    func cancel(_ id: String) async throws -> JSON {
        _ = try await ledger.cancel(ledger.job(id), at: .storable)
        return try await job(id)
    }

    func retry(_ id: String) async throws -> JSON { try FolderDesk.json(await ledger.retry(id).job) }
}
