import API
import ArgumentParser
import Blobs
import Cluster
import Foundation
import Jobs
import Logging
import Pipelines
import PostgreSQL
import Serving

/// The store and the blobs that several machines share, as options name them.
struct SharedStore {
    let address: PostgresAddress
    let blobs: any BlobStore

    /// - Parameters:
    ///   - store: `postgres://...`.
    ///   - blobs: `s3://...` or `file:///...`.
    /// - Throws: `ValidationError`, `PostgresFault`, `BlobFault`.
    init(store: String, blobs: String?) throws {
        guard let blobs else {
            throw ValidationError(
                "--store keeps jobs in a database; say with --blobs where all machines find their files: "
                    + "s3://BUCKET/PREFIX, or file:///FOLDER that all of them share")
        }
        guard let location = BlobLocation(blobs) else {
            throw ValidationError("--blobs \(blobs): it must be \(BlobLocation.form)")
        }
        address = try PostgresAddress(store)
        self.blobs = try location.open(environment: ProcessInfo.processInfo.environment)
    }

    /// A folder for this process alone, whose content nobody needs after it: the one of `--state`, or a free one among the
    /// user's cached files.
    static func folder(_ state: String?) throws -> WorkFolder {
        if let state { return try WorkFolder(path: HomeFolder.expand(state), isPrivate: true) }
        let cache = ProcessInfo.processInfo.environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
        let base = "\(cache ?? "\(HomeFolder.path)/.cache")/phasor"
        for number in 1..<1000 {
            do {
                return try WorkFolder(path: "\(base)/work-\(number)", isPrivate: true)
            } catch ServingError.stateInUse {}
        }
        throw ValidationError("\(base): 999 processes have their folders there; name another with --state")
    }
}

/// `--store` of the commands that work on a shared store.
struct StoreOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The PostgreSQL database that several machines share (default: $PHASOR_STORE). The password is that of PGPASSWORD or "
                + "~/.pgpass.", valueName: "postgres://user@host/database"))
    var store: String?

    func validate() throws { try Self.check(store) }

    private static func check(_ store: String?) throws {
        guard store.map(ServerConfiguration.isStore) ?? true else {
            throw ValidationError("--store: it must be \(ServerConfiguration.storeForm)")
        }
    }

    /// What is given, or what the environment says.
    var address: String? { store ?? ProcessInfo.processInfo.environment["PHASOR_STORE"] }

    /// - Throws: `ValidationError` where neither says one, and for what is none.
    func required() throws -> String {
        guard let address else {
            throw ValidationError("say with --store postgres://USER@HOST/DATABASE where the jobs are")
        }
        try Self.check(address)
        return address
    }
}
