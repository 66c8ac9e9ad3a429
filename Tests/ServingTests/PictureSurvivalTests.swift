import Foundation
import Jobs
import Media
import Pictures
import Testing

/// The pictures that jobs start from live as long as their jobs, and through kills.
@Suite(.timeLimit(.minutes(5)))
struct PictureSurvivalTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// A gradient of 64 by 48 pixels.
    private func picture(_ shift: Int = 0) throws -> PictureFile {
        let bytes = (0..<64 * 48 * 3).map { UInt8(truncatingIfNeeded: $0 / 3 % 64 * 3 + $0 / 192 + shift) }
        return try PictureFile(PNG.encode(RGBImage(width: 64, height: 48, bytes: bytes)))
    }

    /// Three of the student's four sigmas lie below its strength.
    private func request(_ picture: PictureFile, _ prompt: String = "a red balloon") -> GenerationRequest {
        var request = GenerationRequest.image(prompt)
        (request.image, request.strength) = (picture.digest, 0.95)
        return request
    }

    private func kept(_ state: String = "state") throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: scratch("\(state)/pictures")).sorted()
    }

    // MARK: Kills

    @Test(arguments: ["text", "picture", "evaluation 1", "evaluation 3", "decode"])
    func aKillKeepsThePictureOfAJob(place: String) async throws {
        let gate = Gate(at: place)
        let engine = try scratch.engine("killed", AnalyticModel(gate: gate))
        let (first, second) = try (picture(), picture(90))
        let running = try await engine.submit(request(first), pictures: [first])
        let waiting = try await engine.submit(request(second), pictures: [second, first])
        try await gate.arrival()
        try FileManager.default.copyItem(atPath: scratch("killed"), toPath: scratch("left"))
        gate.open()
        let expected = try await [engine.end(of: running.id), engine.end(of: waiting.id)]

        // A kill before a job's row is written leaves the picture, one before that leaves it aside.
        let stray = "image_\(String(repeating: "7", count: 32))-\(first.digest)"
        for name in [stray, "\(stray).partial"] {
            try Data(first.bytes).write(to: URL(filePath: scratch("left/pictures/\(name)")))
        }
        let model = try AnalyticModel()
        let next = try scratch.engine("left", model) {
            $0.policy = .fifo
            $0.store.strayGraceSeconds = 0
        }
        var made: [[Data]] = []
        for job in expected {
            let done = try await next.end(of: job.id)
            #expect(done.state == .succeeded, "\(String(describing: done.failure))")
            #expect(done.request == job.request)
            made.append(try await next.files(of: done))
            #expect(try await made.last == engine.files(of: job))
        }
        #expect(model.parts.evaluations.load(ordering: .relaxed) == 6)
        // Each of them, and neither of them nothing.
        #expect(made[0] != made[1])
        #expect(try await !made.contains(next.files(of: next.run(.image()))))
        let names = ["\(running.id)-\(first.digest)", "\(waiting.id)-\(second.digest)"].sorted()
        #expect(try kept("left") == names)
        for (job, file) in [(running, first), (waiting, second)] {
            let path = scratch("left/pictures/\(job.id)-\(file.digest)")
            #expect(FileManager.default.contents(atPath: path) == Data(file.bytes))
        }
        try await next.delete(running.id)
        #expect(try kept("left") == names.filter { !$0.hasPrefix(running.id) })
    }

    @Test(arguments: ["gone", "changed"])
    func aJobWhosePictureIsLostFailsAndSaysSo(how: String) async throws {
        let gate = Gate(at: "text")
        let engine = try scratch.engine("killed", AnalyticModel(gate: gate))
        let file = try picture()
        let job = try await engine.submit(request(file), pictures: [file])
        let other = try await engine.submit(.image("another"))
        try await gate.arrival()
        try FileManager.default.copyItem(atPath: scratch("killed"), toPath: scratch("left"))
        gate.open()
        #expect(try await engine.end(of: job.id).state == .succeeded)

        let path = scratch("left/pictures/\(job.id)-\(file.digest)")
        if how == "gone" {
            try FileManager.default.removeItem(atPath: path)
        } else {
            try Data(picture(90).bytes).write(to: URL(filePath: path))
        }
        let next = try scratch.engine("left", AnalyticModel())
        let failed = try await next.end(of: job.id)
        #expect(failed.state == .failed)
        #expect(failed.failure?.message.contains(how == "gone" ? "No such file" : "changed") == true)
        #expect(try await next.end(of: other.id).state == .succeeded)
        #expect(next.readiness == .ready)
    }

    // MARK: Retention

    @Test func aPictureGoesWithTheFilesOfItsJob() async throws {
        let file = try picture()
        let engine = try scratch.engine(AnalyticModel())
        let made = try await engine.end(of: engine.submit(request(file), pictures: [file]).id)
        let failed = try await engine.end(
            of: engine.submit(request(file, AnalyticModel.poison), pictures: [file]).id)
        #expect((made.state, failed.state) == (.succeeded, .failed))
        #expect(try kept() == [made.id, failed.id].map { "\($0)-\(file.digest)" }.sorted())
        await engine.drain(within: 10)

        let young = try scratch.engine(AnalyticModel()) { $0.store.strayGraceSeconds = 0 }
        _ = try await young.run(.image("later"))
        #expect(try kept().count == 2)
        await young.drain(within: 10)

        let old = try scratch.engine(AnalyticModel()) { $0.store.retentionSeconds = 0 }
        while try await !old.job(made.id).isExpired { try await Task.sleep(for: .milliseconds(5)) }
        await old.drain(within: 10)
        #expect(try kept().isEmpty)
        #expect(try scratch.artifacts(of: "state").isEmpty)
    }

    @Test func picturesCountAmongTheBytesThatAreKept() async throws {
        let file = try picture()
        let engine = try scratch.engine(AnalyticModel())
        let given = try await engine.end(of: engine.submit(request(file), pictures: [file]).id)
        let plain = try await engine.run(.image())
        await engine.drain(within: 10)
        // Room for both files, and for all but a byte of the picture.
        let room = given.artifacts[0].bytes + plain.artifacts[0].bytes + file.bytes.count
        let roomy = try scratch.engine(AnalyticModel()) { $0.store.retentionBytes = room }
        await roomy.drain(within: 10)
        #expect(try kept() == ["\(given.id)-\(file.digest)"])
        let tight = try scratch.engine(AnalyticModel()) { $0.store.retentionBytes = room - 1 }
        while try await !tight.job(given.id).isExpired { try await Task.sleep(for: .milliseconds(5)) }
        #expect(try await !tight.job(plain.id).isExpired)
        await tight.drain(within: 10)
        #expect(try kept().isEmpty)
    }

    // MARK: Recovery

    @Test func aRecoveredJobKnowsItsPicture() async throws {
        let file = try picture()
        let engine = try scratch.engine(AnalyticModel())
        let job = try await engine.end(of: engine.submit(request(file), pictures: [file]).id)
        let made = try await engine.files(of: job)
        await engine.drain(within: 10)
        for ending in ["", "-wal", "-shm"] { unlink(scratch("state/jobs.sqlite\(ending)")) }
        #expect(try StateRecovery.run(folder: scratch("state")).recovered == [job.id])

        let next = try scratch.engine(AnalyticModel()) { $0.store.strayGraceSeconds = 0 }
        let again = try await next.job(job.id)
        #expect((again.request.image, again.request.strength) == (file.digest, 0.95))
        #expect(try kept() == ["\(job.id)-\(file.digest)"])
        #expect(
            FileManager.default.contents(atPath: scratch("state/pictures/\(job.id)-\(file.digest)"))
                == Data(file.bytes))
        let repeated = try await next.end(of: next.submit(again.request, pictures: [file]).id)
        #expect(try await next.files(of: repeated) == made)
        try await next.delete(job.id)
        #expect(try kept() == ["\(repeated.id)-\(file.digest)"])
    }
}
