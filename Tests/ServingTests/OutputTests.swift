import Foundation
import Jobs
import Media
import Pictures
import Serving
import Testing

/// What finished files are, and what they say of themselves.
@Suite(.timeLimit(.minutes(5)))
struct OutputTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private static func request(_ format: PictureFormat?, count: Int = 1) -> GenerationRequest {
        var request = GenerationRequest.image("a cat\nNegative prompt: Größe 中", count: count)
        request.outputFormat = format
        return request
    }

    /// What exiftool reads of one tag.
    private func tag(_ name: String, of path: String) throws -> String {
        String(decoding: try output("exiftool", "-s3", "-n", "-\(name)", path), as: UTF8.self)
            .trimmingCharacters(in: .newlines)
    }

    @Test func everyFileSaysWhatItIsUnlessThatIsLeftOut() async throws {
        for generator in ["Phasor 9.9", nil] {
            let engine = try scratch.engine("\(generator ?? "none")", AnalyticModel()) { $0.generator = generator }
            var jobs = [try await engine.run(.video())]
            for format in PictureFormat.allCases { jobs.append(try await engine.run(Self.request(format))) }
            for path in jobs.flatMap(\.artifacts).map(\.path) {
                let source = try tag("XMP-iptcExt:DigitalSourceType", of: path)
                #expect(
                    source
                        == (generator == nil
                            ? "" : "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"),
                    "\(path)")
                #expect(try tag("XMP-xmp:CreatorTool", of: path) == generator ?? "", "\(path)")
                #expect(try tag("XMP-iptcExt:AISystemUsed", of: path) == (generator == nil ? "" : "analytic"))
                // With it or without, the file says how it was made.
                #expect(try FileNotes(path: path).record != nil)
            }
        }
        // The pixels are the same.
        let pictures = try ["Phasor 9.9", "none"].map { state in
            let name = try #require(try scratch.artifacts(of: state).first { $0.hasSuffix("png") })
            return try PNG.decode(path: scratch("\(state)/artifacts/\(name)"))
        }
        #expect(pictures[0] == pictures[1])
    }

    @Test(arguments: [PictureFormat.jpeg, .webp])
    func jobsAreMadeAgainFromTheirFiles(format: PictureFormat) async throws {
        let engine = try scratch.engine(AnalyticModel())
        var wanted = Self.request(format, count: 2)
        wanted.outputCompression = 55
        let job = try await engine.run(wanted)
        let files = try await engine.files(of: job)
        await engine.drain(within: 10)
        for ending in ["", "-wal", "-shm"] { unlink(scratch("state/jobs.sqlite\(ending)")) }
        let report = try StateRecovery.run(folder: scratch("state"))
        #expect(report.recovered == [job.id] && report.unreadable.isEmpty)
        let next = try scratch.engine(AnalyticModel())
        let again = try await next.job(job.id)
        var settled = job.request
        (settled.generator, settled.steps) = ("student", 4)
        #expect(again.request == settled)
        #expect(again.artifacts.map(\.contentType) == Array(repeating: format.contentType, count: 2))
        #expect(try await next.files(of: again) == files)
        #expect(try await next.files(of: next.run(again.request)) == files)
    }

    /// A format that is what there is anyhow makes no other request of it.
    @Test func usualOutputIsNotSaid() async throws {
        let engine = try scratch.engine(AnalyticModel())
        var said = Self.request(.png)
        said.outputCompression = 100
        #expect(try await engine.submit(said).request == engine.submit(Self.request(nil)).request)
    }

    /// A picture that is changed by strength takes the last of the steps. The file tells those that were asked for, as the web UI
    /// does; record and job tell those that ran, and the record's request makes the file again.
    @Test(arguments: [nil, 0.3, 0.9, 1] as [Float?])
    func aChangeByStrengthTellsTheStepsThatRan(strength: Float?) async throws {
        let bytes = (0..<64 * 48 * 3).map { UInt8(truncatingIfNeeded: $0 / 3 % 64 * 3 + $0 / 192) }
        let picture = try PictureFile(PNG.encode(RGBImage(width: 64, height: 48, bytes: bytes)))
        let engine = try scratch.engine(AnalyticModel())
        var request = GenerationRequest.image()
        (request.image, request.strength) = (picture.digest, strength)
        let job = try await engine.end(of: engine.submit(request, pictures: [picture]).id)
        let ran = try #require(job.ran, "\(String(describing: job.failure))")
        let notes = try FileNotes(path: job.artifacts[0].path)
        let text = try #require(notes.parameters)
        #expect(text.contains("\nSteps: 4, "))
        #expect(text.contains("Denoising strength: \(strength ?? 0.75), Start sigma: \(ran.sigmas[0])"))
        #expect(job.steps == ran.stepCount && job.timings.steps.count == ran.stepCount)

        struct Record: Decodable {
            let steps: Int
            let request: GenerationRequest
        }
        let record = try JSONDecoder().decode(Record.self, from: Data((notes.record ?? "").utf8))
        #expect(record.steps == ran.stepCount)
        let again = try await engine.end(of: engine.submit(record.request, pictures: [picture]).id)
        #expect(try await engine.files(of: again) == engine.files(of: job))
    }

    @Test func aScaledPictureIsResumedAndRecoveredAsOne() async throws {
        let engine = try scratch.engine(AnalyticModel())
        var request = Self.request(.webp)
        request.scaledSize = .init(width: 100, height: 90)
        let job = try await engine.run(request)
        let picture = try Picture.decode(Array(try await engine.files(of: job)[0]))
        #expect((picture.width, picture.height) == (100, 90))
        #expect(try await engine.job(job.id).request == job.request)
        #expect(job.request.scaledSize == request.scaledSize)
    }
}
