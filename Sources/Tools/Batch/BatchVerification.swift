import Foundation
import Jobs
import Logging
import Models
import Pipelines
import Serving
import Support
import Weights

/// Makes the files of a batch again from their sidecars alone, and compares bytes.
package struct BatchVerification: Sendable {
    let model: Pipeline
    let made: Sidecar.Maker
    let folder: BatchFolder

    package struct Result: Sendable, Equatable {
        package let file: String
        /// The first difference; nil if every byte is the same.
        package let fault: String?
    }

    package init(model: Pipeline, made: Sidecar.Maker, folder: String) {
        self.model = model
        self.made = made
        self.folder = BatchFolder(path: folder)
    }

    /// - Parameter onResult: called once for each file, as soon as it is known.
    /// - Throws: `BatchError.nothingToVerify`, or what the engine throws.
    package func run(
        logger: Logger, onResult: @escaping @Sendable (Result, _ of: Int) -> Void
    ) async throws -> [Result] {
        let files = folder.filesWithSidecars
        guard !files.isEmpty else { throw BatchError.nothingToVerify(folder: folder.path) }
        var results: [Result] = []
        var sidecars: [(file: String, sidecar: Sidecar)] = []
        for file in files {
            if let sidecar = Sidecar(of: file, in: folder.path) {
                sidecars.append((file, sidecar))
            } else {
                results.append(Result(file: file, fault: "\(Sidecar.path(of: file)) is damaged, or no batch's"))
                onResult(results[results.count - 1], files.count)
            }
        }
        // A file names the version that made it, so the files of another version are remade under that version's name.
        for (generator, entries) in Dictionary(grouping: sidecars, by: \.sidecar.made.provenance) {
            results += try await remake(entries, as: generator, logger) { onResult($0, files.count) }
        }
        return results.sorted { $0.file < $1.file }
    }

    private func remake(
        _ entries: [(file: String, sidecar: Sidecar)], as generator: String?, _ logger: Logger,
        onResult: @Sendable (Result) -> Void
    ) async throws -> [Result] {
        let scratch = try Self.makeScratchFolder()
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        var options = EngineOptions(stateFolder: scratch)
        let window = 32
        options.queueCapacity = window + 1
        options.generator = generator
        let engine = try Engine(models: [model], options: options, logger: logger)
        var results: [Result] = []
        try await withThrowingTaskGroup(of: Result.self) { group in
            func take() async throws {
                guard let result = try await group.next() else { return }
                results.append(result)
                onResult(result)
            }
            for (count, entry) in entries.enumerated() {
                if count >= window { try await take() }
                group.addTask { try await check(entry.file, entry.sidecar, engine) }
            }
            while results.count < entries.count { try await take() }
        }
        await engine.drain(within: 60)
        return results
    }

    /// A folder of this run's own, under a name that nobody else has.
    private static func makeScratchFolder() throws(BatchError) -> String {
        let template = "\(NSTemporaryDirectory())/phasor-verify-XXXXXX"
        var name = Array(template.utf8CString)
        guard mkdtemp(&name) != nil else { throw .unwritable(path: template, reason: String(cString: strerror(errno))) }
        return String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// - Parameter file: as it is called now; it may have been renamed, with its sidecar.
    private func check(_ file: String, _ sidecar: Sidecar, _ engine: Engine) async throws -> Result {
        func result(_ fault: String?) -> Result { Result(file: file, fault: fault) }
        guard let bytes = FileManager.default.contents(atPath: "\(folder.path)/\(file)") else {
            return result("the file is missing")
        }
        guard SHA256.hexadecimal(of: bytes) == sidecar.sha256 else {
            return result("the file was changed after it was made: its SHA-256 is not the sidecar's")
        }
        let (generator, decoder) = (sidecar.request.generator, sidecar.request.decoder)
        guard let identity = try? ModelIdentity(model, generator: generator, decoder: decoder) else {
            return result("the model has no generator '\(generator ?? "")'")
        }
        if let part = sidecar.identity.difference(from: identity) {
            return result("it was made by another model: \(part) differ")
        }
        guard sidecar.made.precision == made.precision else {
            return result("it was made with --precision \(sidecar.made.precision)")
        }
        var request = sidecar.request
        request.model = model.id
        let job: Job
        do {
            let pictures = try request.pictureDigests.map { digest throws(BatchError) in try folder.kept(digest) }
            let accepted = try await engine.submit(request, pictures: pictures, priority: .batch)
            for await _ in try await engine.events(of: accepted.id) {}
            job = try await engine.job(accepted.id)
        } catch ServingError.invalid(let field, let reason) {
            return result("the sidecar's \(field): \(reason)")
        } catch BatchError.picture(let reason) {
            return result(reason)
        } catch let error as ModelError {
            return result("it could not be made again: \(error)")
        }
        guard let artifact = job.artifacts.first, let again = FileManager.default.contents(atPath: artifact.path) else {
            return result("it could not be made again: \(job.failure?.message ?? job.state.rawValue)")
        }
        try await engine.delete(job.id)
        return result(difference(bytes, again, sidecar.made))
    }

    private func difference(_ bytes: Data, _ again: Data, _ maker: Sidecar.Maker) -> String? {
        guard bytes != again else { return nil }
        let place = zip(bytes, again).prefix { $0 == $1 }.reduce(0) { count, _ in count + 1 }
        var reason = "\(bytes.count) bytes, made again \(again.count); the first that differs is byte \(place)"
        if maker.instructions != made.instructions {
            reason += " (it was made with \(maker.instructions), this is \(made.instructions))"
        } else if maker.libraries != made.libraries {
            reason += " (it was made with other versions of the media libraries)"
        }
        return reason
    }
}
