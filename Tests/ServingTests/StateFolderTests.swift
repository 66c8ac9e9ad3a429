import Foundation
import GRDB
import Jobs
import Testing

/// What a start makes of a state folder that is not as the last process left it.
@Suite(.timeLimit(.minutes(5)))
struct StateFolderTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// A folder with two finished jobs, and the files they made.
    private func finished() async throws -> (jobs: [Job], files: [String: Data]) {
        let engine = try scratch.engine(AnalyticModel())
        var first = GenerationRequest.image("a cat\nNegative prompt: Größe 中", count: 2)
        first.negativePrompt = "a dog\nSteps: 4, Seed: 7"
        let jobs = try await [engine.run(first), engine.run(.video())]
        await engine.drain(within: 10)
        return (jobs, try files())
    }

    private func files() throws -> [String: Data] {
        var files: [String: Data] = [:]
        for name in try scratch.artifacts(of: "state") {
            files[name] = try Data(contentsOf: URL(filePath: scratch("state/artifacts/\(name)")))
        }
        return files
    }

    private func removeDatabase() throws {
        for ending in ["", "-wal", "-shm"] { unlink(scratch("state/jobs.sqlite\(ending)")) }
    }

    private func refusal() throws -> String {
        do {
            _ = try scratch.engine(AnalyticModel())
            Issue.record("opened")
            return ""
        } catch ServingError.refusedState(_, let reason) {
            return reason
        }
    }

    // MARK: Lost databases

    @Test(arguments: ["missing", "empty", "of a cut length", "with damaged pages", "older"])
    func aLostDatabaseIsRefusedAndMadeAgain(how: String) async throws {
        let path = URL(filePath: scratch("state/jobs.sqlite"))
        var older = Data()
        if how == "older" {
            try await scratch.engine(AnalyticModel()).drain(within: 10)
            older = try Data(contentsOf: path)
        }
        let (jobs, made) = try await finished()
        var whole = try Data(contentsOf: path)
        try removeDatabase()
        switch how {
        case "missing": break
        case "empty": try Data().write(to: path)
        case "of a cut length": try whole.prefix(whole.count / 2).write(to: path)
        case "with damaged pages":
            for at in stride(from: 4096, to: whole.count, by: 4096) {
                whole.replaceSubrange(at..<at + 3000, with: repeatElement(0xA5, count: 3000))
            }
            try whole.write(to: path)
        default: try older.write(to: path)
        }
        let before = try? Data(contentsOf: path)
        #expect(try refusal().contains("phasor recover \(scratch("state"))"))
        #expect(try files() == made)
        #expect((try? Data(contentsOf: path)) == before)

        let report = try StateRecovery.run(folder: scratch("state"))
        #expect(Set(report.recovered).union(jobs.map(\.id)).count == 2)
        #expect(report.unreadable.isEmpty)
        #expect((report.putAside != nil) == (how == "of a cut length" || how == "with damaged pages"))
        let engine = try scratch.engine(AnalyticModel())
        for job in jobs {
            let again = try await engine.job(job.id)
            #expect(again.state == .succeeded)
            // What the client had left to the model is settled.
            var settled = job.request
            (settled.generator, settled.steps) = ("student", 4)
            #expect(again.request == settled)
            #expect(again.steps == job.steps)
            #expect(again.artifacts.map(\.id) == job.artifacts.map(\.id))
            #expect(try await engine.files(of: again) == job.artifacts.map { made["\($0.id).\($0.path.suffix(3))"] })
            // The same request gives the same bytes.
            #expect(try await engine.files(of: engine.run(again.request)) == engine.files(of: job))
        }
        #expect(try await engine.jobs().jobs.count == 4)
    }

    /// What says nothing is kept, aside, and is no reason to refuse any more.
    @Test func aFileThatSaysNothingIsPutAside() async throws {
        let (jobs, _) = try await finished()
        try removeDatabase()
        let name = "image_\(String(repeating: "5", count: 32))-0.png"
        try Data("no picture".utf8).write(to: URL(filePath: scratch("state/artifacts/\(name)")))
        let report = try StateRecovery.run(folder: scratch("state"))
        #expect(Set(report.recovered) == Set(jobs.map(\.id)))
        #expect(Array(report.unreadable.keys) == [name])
        #expect(try Data(contentsOf: URL(filePath: scratch("state/unrecovered/\(name)"))) == Data("no picture".utf8))
        #expect(try await scratch.engine(AnalyticModel()).jobs().jobs.count == 2)
    }

    /// Files of versions that wrote only the text for other programs.
    @Test func filesWithoutARecordAreReadByTheirText() async throws {
        var request = GenerationRequest.image("a red balloon, 2 of them", seed: 11, generator: "teacher")
        request.negativePrompt = "blurry"
        let engine = try scratch.engine(AnalyticModel())
        let job = try await engine.run(request)
        await engine.drain(within: 10)
        let path = URL(filePath: job.artifacts[0].path)
        var bytes = Array(try Data(contentsOf: path))
        // The record is the second text chunk; its keyword stands behind length and type.
        let keyword = try #require(bytes.firstRange(of: Array("tEXtphasor\0".utf8)))
        let length = bytes[keyword.lowerBound - 4..<keyword.lowerBound].reduce(0) { $0 << 8 | Int($1) }
        bytes.removeSubrange(keyword.lowerBound - 4..<keyword.lowerBound + 8 + length)
        try Data(bytes).write(to: path)
        try removeDatabase()
        #expect(try StateRecovery.run(folder: scratch("state")).recovered == [job.id])
        let again = try await scratch.engine(AnalyticModel()).job(job.id)
        #expect(again.request.prompt == request.prompt)
        #expect(again.request.negativePrompt == request.negativePrompt)
        #expect((again.request.seed, again.request.width, again.request.height) == (11, 64, 48))
        #expect(again.request.generator == "teacher")
        #expect(again.steps == 6)
    }

    // MARK: Whose folder it is

    @Test(arguments: ["artifacts/holiday.jpg", "checkpoints/epoch10.ckpt", "prompts/notes.partial"])
    func aFolderOfSomebodyElseIsRefused(name: String) throws {
        let folder = scratch("state/\(name.split(separator: "/")[0])")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data("mine".utf8).write(to: URL(filePath: scratch("state/\(name)")))
        #expect(try refusal().contains(name))
        let present = try FileManager.default.subpathsOfDirectory(atPath: scratch("state"))
        #expect(present.sorted() == [String(name.split(separator: "/")[0]), name])
    }

    @Test func aDatabaseOfSomebodyElseIsRefused() async throws {
        try FileManager.default.createDirectory(atPath: scratch("state"), withIntermediateDirectories: true)
        let other = try DatabaseQueue(path: scratch("state/jobs.sqlite"))
        try await other.write { try $0.execute(sql: "CREATE TABLE applicants (name TEXT)") }
        try other.close()
        #expect(try refusal().contains("not Phasor's"))
    }

    /// In a folder of Phasor's own, files of other names stay for ever, and its own are removed only when they are old.
    @Test func onlyOldFilesOfOurOwnNamesAreRemoved() async throws {
        try await scratch.engine(AnalyticModel()).drain(within: 10)
        let id = "image_" + String(repeating: "0", count: 32)
        let kept = [
            "artifacts/holiday.jpg", "artifacts/image_1-0.png", "artifacts/\(id)-00.png", "artifacts/\(id)-0.png.bak",
            "checkpoints/epoch10.ckpt", "checkpoints/\(id).old", "prompts/readme", "prompts/song.partial",
        ]
        let strays = ["artifacts/\(id)-0.mp4.partial", "checkpoints/\(id)"]
        for name in kept + strays { try Data("mine".utf8).write(to: URL(filePath: scratch("state/\(name)"))) }
        let engine = try scratch.engine(AnalyticModel())
        _ = try await engine.run(.image())
        await engine.drain(within: 10)
        for name in kept + strays {
            #expect(FileManager.default.fileExists(atPath: scratch("state/\(name)")), "\(name)")
        }
        for name in kept + strays {
            let old = timespec(tv_sec: time(nil) - 3700, tv_nsec: 0)
            #expect(utimensat(AT_FDCWD, scratch("state/\(name)"), [old, old], 0) == 0)
        }
        await (try scratch.engine(AnalyticModel())).drain(within: 10)
        for name in kept { #expect(FileManager.default.fileExists(atPath: scratch("state/\(name)")), "\(name)") }
        for name in strays { #expect(!FileManager.default.fileExists(atPath: scratch("state/\(name)")), "\(name)") }
    }

    @Test(arguments: ["INSERT INTO grdb_migrations VALUES ('tenants')", "PRAGMA user_version = 99"])
    func aNewerDatabaseIsRefusedAsItIs(edit: String) async throws {
        let (_, made) = try await finished()
        let path = scratch("state/jobs.sqlite")
        let other = try DatabaseQueue(path: path)
        try await other.write { try $0.execute(sql: edit) }
        try other.close()
        let before = try Data(contentsOf: URL(filePath: path))
        #expect(try refusal().contains("newer version"))
        #expect(throws: ServingError.self) { try StateRecovery.run(folder: scratch("state")) }
        #expect(try Data(contentsOf: URL(filePath: path)) == before)
        #expect(try files() == made)
    }

    // MARK: Rights

    @Test(arguments: [true, false])
    func theFolderIsClosedToOthersUnlessItIsShared(isPrivate: Bool) async throws {
        let engine = try scratch.engine(AnalyticModel()) { $0.store.isPrivate = isPrivate }
        _ = try await [engine.run(.image(generator: "teacher")), engine.run(.video())]
        let names = try FileManager.default.subpathsOfDirectory(atPath: scratch("state"))
        #expect(names.count > 8)
        let open = try ([""] + names).filter { name in
            let attributes = try FileManager.default.attributesOfItem(atPath: scratch("state/\(name)"))
            return (attributes[.posixPermissions] as? Int ?? 0) & 0o077 != 0
        }
        #expect(open.isEmpty == isPrivate, "\(open)")
    }

    // MARK: Deleted under the running engine

    @Test(arguments: ["deleted", "moved", "replaced", "without its log"])
    func aFolderThatIsGoneTakesNoJobs(how: String) async throws {
        let engine = try scratch.engine(AnalyticModel())
        _ = try await engine.run(.image())
        let files = FileManager.default
        switch how {
        case "deleted": try files.removeItem(atPath: scratch("state"))
        case "moved": try files.moveItem(atPath: scratch("state"), toPath: scratch("elsewhere"))
        case "replaced":
            try files.copyItem(atPath: scratch("state/jobs.sqlite"), toPath: scratch("copy"))
            #expect(rename(scratch("copy"), scratch("state/jobs.sqlite")) == 0)
        default: unlink(scratch("state/jobs.sqlite-wal"))
        }
        await #expect(throws: ServingError.self) { try await engine.submit(.image(seed: 2)) }
        #expect(engine.readiness != .ready)
        guard how == "moved" else { return }
        try files.moveItem(atPath: scratch("elsewhere"), toPath: scratch("state"))
        #expect(engine.readiness == .ready)
        #expect(try await engine.run(.image(seed: 2)).state == .succeeded)
    }

    // MARK: Deleted by a client

    @Test func deletingErasesEveryByteOfAJob() async throws {
        let engine = try scratch.engine(AnalyticModel())
        var request = GenerationRequest.image("zebra words", count: 2, generator: "teacher")
        request.negativePrompt = "okapi words"
        let job = try await engine.run(request)
        let other = try await engine.run(.image("another"))
        try await engine.delete(job.id)
        let names = try FileManager.default.subpathsOfDirectory(atPath: scratch("state"))
        for name in names {
            guard let data = FileManager.default.contents(atPath: scratch("state/\(name)")) else { continue }
            for word in ["zebra words", "okapi words", job.id] {
                #expect(data.firstRange(of: Data(word.utf8)) == nil, "\(word) in \(name)")
            }
        }
        // Another model, or another version of it, left an embedding too.
        await engine.drain(within: 10)
        for version in ["1", "2"] {
            let engine = try scratch.engine(AnalyticModel(version: version))
            let job = try await engine.run(request)
            if version == "2" { try await engine.delete(job.id) }
            await engine.drain(within: 10)
        }
        let prompts = try FileManager.default.contentsOfDirectory(atPath: scratch("state/prompts"))
        for name in prompts {
            let data = try Data(contentsOf: URL(filePath: scratch("state/prompts/\(name)")))
            #expect(data.firstRange(of: Data("zebra words".utf8)) == nil)
        }
        #expect(!prompts.isEmpty)
        #expect(FileManager.default.fileExists(atPath: other.artifacts[0].path))
    }
}
