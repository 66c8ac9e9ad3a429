import Foundation
import Jobs
import Media
import Models
import Pictures
import Pipelines
import Serving
import Synchronization
import Tensor
import TestSupport
import Testing

/// LoRA files that requests name, on a tiny Wan2.2. What they give is compared with pipelines that were opened with
/// the same files.
@Suite(.timeLimit(.minutes(5)))
struct LoRATests {
    let scratch: Scratch
    let library: String

    private static let wan = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../Fixtures/wan22-tiny").standardized.path

    init() throws {
        scratch = try Scratch()
        library = scratch("loras")
        try FileManager.default.createDirectory(atPath: "\(library)/more", withIntermediateDirectories: true)
        try RandomLoRA.write(to: path("ink"), seed: 1)
        try RandomLoRA.write(to: path("more/grain"), seed: 2)
        try RandomLoRA.write(
            to: path("second"), seed: 3, prefix: "transformer_2.", layers: ["attn1.to_q", "attn2.to_v"])
    }

    private func path(_ name: String) -> String { "\(library)/\(name).safetensors" }

    private func model(_ adapters: [ModelFiles.AdapterFile] = []) throws -> Pipeline {
        var files = ModelFiles(folder: Self.wan)
        (files.adapters, files.loras) = (adapters, library)
        return try Pipeline(files, compute: Compute(threads: 2))
    }

    /// By the published sampler: a model that was opened with LoRA files would take the student's.
    private func request(
        _ loras: [LoRA] = [], seed: UInt64 = 5, steps: Int = 4, side: Int = 32
    ) -> GenerationRequest {
        GenerationRequest(
            kind: .image, prompt: "a cat on a table", model: "wan22-tiny", generator: "default", width: side,
            height: side, seed: seed, steps: steps, guidanceScale: 1, loras: loras)
    }

    private func picture(_ job: Job) throws -> RGBImage {
        try PNG.decode(path: #require(job.artifacts.first, "\(String(describing: job.failure))").path)
    }

    private func picture(_ request: GenerationRequest, by model: Pipeline) async throws -> RGBImage {
        let engine = try scratch.engine(UUID().uuidString, model)
        defer { Task { await engine.drain(within: 1) } }
        return try picture(await engine.run(request))
    }

    private func opened(_ files: [(expert: String, name: String, strength: Float)]) async throws -> RGBImage {
        let adapters = files.map {
            ModelFiles.AdapterFile(expert: $0.expert, path: path($0.name), strength: $0.strength)
        }
        return try await picture(request(), by: model(adapters))
    }

    @Test func aRequestsLoRAIsThatOfAModelOpenedWithIt() async throws {
        let model = try model()
        let bare = try await picture(request(), by: model)
        func made(_ loras: LoRA...) async throws -> RGBImage { try await picture(request(loras), by: model) }

        let high = try await made(LoRA(name: "ink", strength: 0.8, expert: "high"))
        #expect(try await high == opened([("transformer", "ink", 0.8)]))
        let both = try await made(LoRA(name: "ink", strength: -1.5))
        #expect(try await both == opened([("transformer", "ink", -1.5), ("transformer_2", "ink", -1.5)]))
        let second = try await made(LoRA(name: "second"))
        #expect(try await second == opened([("transformer_2", "second", 1)]))
        let stacked = try await made(
            LoRA(name: "ink", strength: 0.5), LoRA(name: "more/grain", expert: "transformer_2"))
        #expect(
            try await stacked
                == opened([
                    ("transformer", "ink", 0.5), ("transformer_2", "ink", 0.5), ("transformer_2", "more/grain", 1),
                ]))
        let onTop = try await picture(
            request([LoRA(name: "more/grain", strength: 0.7, expert: "high")]),
            by: self.model([.init(expert: "transformer", path: path("ink"), strength: 1)]))
        #expect(try await onTop == opened([("transformer", "ink", 1), ("transformer", "more/grain", 0.7)]))

        #expect(try await made(LoRA(name: "ink", strength: 0), LoRA(name: "second", strength: 0)) == bare)
        // None is another, and the base was not touched by any.
        let all = [bare, high, both, second, stacked, onTop]
        for (index, one) in all.enumerated() { #expect(!all[..<index].contains(one), "\(index)") }
        #expect(try await picture(request(), by: model) == bare)
    }

    @Test func manyAtOnceAreAsEachAlone() async throws {
        let model = try model()
        let sets: [[LoRA]] = [
            [], [LoRA(name: "ink")], [LoRA(name: "ink", strength: 0.5)], [LoRA(name: "second")],
            [LoRA(name: "ink"), LoRA(name: "more/grain")],
        ]
        var alone: [RGBImage] = []
        for set in sets { alone.append(try await picture(request(set), by: model)) }
        let turns = Mutex<[EngineOptions.Turn]>([])
        let engine = try scratch.engine(model) { $0.onTurn = { turn in turns.withLock { $0.append(turn) } } }
        var jobs: [(set: Int, id: String)] = []
        for set in (0..<3).flatMap({ _ in sets.indices }) {
            jobs.append((set, try await engine.submit(request(sets[set], steps: 4)).id))
        }
        var setOf: [String: Int] = [:]
        for (set, id) in jobs {
            setOf[id] = set
            #expect(try picture(await engine.end(of: id)) == alone[set], "\(sets[set])")
        }
        for turn in turns.withLock({ $0 }) where turn.weights.part == .expert("transformer") {
            // Those that have the same on the expert may share: `second` has nothing on this one.
            let effective = Set(turn.runs.compactMap { setOf[$0] }.map { $0 == 3 ? 0 : $0 })
            #expect(effective.count == 1)
        }
    }

    /// SDXL with a LoRA on its text encoders: texts are known by what they were encoded with, in memory and on disk.
    @Test func textsOfALoRAAreKeptApart() async throws {
        let folder = URL(filePath: Self.wan).deletingLastPathComponent().appending(path: "sdxl-tiny").path
        let model: (ModelFiles) throws -> Pipeline = { try Pipeline($0, compute: Compute(threads: 2)) }
        var files = ModelFiles(folder: folder)
        files.loras = "\(folder)/lora"
        func wanted(_ loras: [LoRA]) -> GenerationRequest {
            GenerationRequest(
                kind: .image, prompt: "a cat on a table", model: "sdxl-tiny", generator: "dmd2", width: 32, height: 32,
                seed: 5, loras: loras)
        }
        let text = LoRA(name: "kohya_text", strength: 0.7)
        let plain = try await picture(wanted([]), by: model(files))
        let adapted = try await picture(wanted([text]), by: model(files))
        #expect(plain != adapted)
        // One on the network alone has the text of none.
        let conv = try await picture(wanted([LoRA(name: "kohya_conv")]), by: model(files))
        for round in 0..<2 {
            let engine = try scratch.engine("shared", model(files))
            #expect(try picture(await engine.run(wanted([text]))) == adapted)
            #expect(try picture(await engine.run(wanted([]))) == plain)
            #expect(try picture(await engine.run(wanted([LoRA(name: "kohya_conv")]))) == conv)
            #expect(try picture(await engine.run(wanted([text]))) == adapted)
            let (hits, misses) = round == 0 ? (2, 2) : (4, 0)
            let metrics = await engine.renderMetrics()
            #expect(metrics.contains("phasor_prompt_cache_total{result=\"hit\"} \(hits)\n"))
            #expect(metrics.contains("phasor_prompt_cache_total{result=\"miss\"} \(misses)\n") == (misses > 0))
            await engine.drain(within: 10)
        }
        // Opened with the file it gives the same.
        files.adapters = [.init(expert: "unet", path: "\(folder)/lora/kohya_text.safetensors", strength: 0.7)]
        #expect(try await picture(wanted([]), by: model(files)) == adapted)
    }

    /// Those that want the same share an evaluation, the others do not; and a change of LoRA goes before one of the base.
    @Test func thePolicyKeepsSetsApart() throws {
        let ink = [LoRA(name: "ink", strength: 1)]
        func run(_ id: String, _ expert: String, _ loras: [LoRA], _ arrival: Int64) throws -> WaitingRun {
            let weights = StageWeights(model: "m", stage: .steps, part: .expert(expert), loras: loras)
            return try #require(
                WaitingRun(
                    id: id, course: [weights], shape: [[1]], pixels: 1, priority: .interactive, arrival: arrival))
        }
        let runs = [
            try run("a", "transformer", ink, 1), try run("low", "transformer_2", [], 2),
            try run("b", "transformer", [], 3), try run("c", "transformer", ink, 4),
        ]
        var policy = PhaseSchedule(batchPixels: 100)
        let first = policy.decide(runs, at: 0, isResident: { _ in false })
        #expect(first?.runs == ["a", "c"])
        let second = policy.decide([runs[1], runs[2]], at: 1, isResident: { _ in false })
        #expect(second?.runs == ["b"])
    }

    @Test func whatDoesNotFitIsRefused() async throws {
        try RandomLoRA.write(to: path("wide"), seed: 4, width: 64)
        try RandomLoRA.write(to: path("other"), seed: 5, layers: ["no.such"])
        try Data("damaged".utf8).write(to: URL(filePath: path("damaged")))
        try FileManager.default.copyItem(atPath: path("ink"), toPath: scratch("outside.safetensors"))
        let engine = try scratch.engine(model())
        let cases: [(loras: [LoRA], says: String)] = [
            ([LoRA(name: "nope")], "'ink'"), ([LoRA(name: "../outside")], "no LoRA '../outside'"),
            ([LoRA(name: "\(library)/ink")], "no LoRA"), ([LoRA(name: "")], "no LoRA ''"),
            ([LoRA(name: "wide")], "[64, 64]"), ([LoRA(name: "other")], "not of this network"),
            ([LoRA(name: "damaged")], "damaged.safetensors"),
            ([LoRA(name: "second", expert: "high")], "transformer_2"),
            ([LoRA(name: "ink", expert: "teacher")], "transformer, transformer_2"),
            ([LoRA(name: "ink", strength: .nan)], "-4.0 to 4.0"), ([LoRA(name: "ink", strength: 4.1)], "4.1"),
            ([LoRA](repeating: LoRA(name: "ink", strength: 0.1), count: 9), "9 given"),
            ([LoRA(name: "ink"), LoRA(name: "wide", strength: 0)], "wide"),
        ]
        for (loras, says) in cases {
            let error = await #expect(throws: ServingError.self) { try await engine.submit(request(loras)) }
            guard case .invalid("loras", let reason) = error else {
                Issue.record("\(loras): \(String(describing: error))")
                continue
            }
            #expect(reason.contains(says), "\(reason)")
            #expect(!reason.contains(scratch.path) || loras[0].name.contains(scratch.path), "\(reason)")
        }
        // Nor is there any without a folder.
        let bare = try Pipeline(ModelFiles(folder: Self.wan), compute: Compute(threads: 1))
        #expect(bare.loraNames.isEmpty)
        #expect(throws: ModelError.self) { try bare.settle([LoRA(name: "ink")], generator: nil) }
    }

    @Test(arguments: [false, true]) func aRestartGoesOnWithTheSameFileOrNotAtAll(isReplaced: Bool) async throws {
        // Long enough to be stopped half-way, however late a busy machine sees the second step.
        let wanted = request([LoRA(name: "ink", strength: 2)], steps: 1000, side: 96)
        let expected = try await picture(wanted, by: model())
        let first = try scratch.engine(model())
        let job = try await first.submit(wanted)
        #expect(job.request.loras?.first?.digest?.count == 64)
        while try await first.job(job.id).step < 2 { try await Task.sleep(for: .milliseconds(1)) }
        await first.drain(within: 0)
        #expect(try await !first.job(job.id).state.isTerminal)
        if isReplaced { try RandomLoRA.write(to: path("ink"), seed: 9) }
        let next = try scratch.engine(model())
        let ended = try await next.end(of: job.id)
        if isReplaced {
            #expect(ended.state == .failed)
            #expect(ended.failure?.message.contains("'ink' is not what it was") == true)
            // A new request has the new file.
            let opened = try await picture(
                request(),
                by: model(["transformer", "transformer_2"].map { .init(expert: $0, path: path("ink"), strength: 1) }))
            #expect(try await picture(request([LoRA(name: "ink")]), by: model()) == opened)
        } else {
            #expect(try picture(ended) == expected)
        }
    }

    @Test func aFileThatIsReplacedIsANewOneForTheNextRequest() async throws {
        let model = try model()
        let old = try await picture(request([LoRA(name: "ink")]), by: model)
        try RandomLoRA.write(to: path("ink"), seed: 9)
        let new = try await picture(request([LoRA(name: "ink")]), by: model)
        #expect(new != old)
        #expect(try await new == opened([("transformer", "ink", 1), ("transformer_2", "ink", 1)]))
    }

    @Test func tagsAreReadAndWritten() throws {
        let tags = try LoRATags("<lora:ink> a cat <lora:more/grain:0.8> sits <lora:x:-1:expert=high>\n")
        #expect(tags.prompt == "a cat  sits")
        #expect(
            tags.loras == [
                LoRA(name: "ink"), LoRA(name: "more/grain", strength: 0.8),
                LoRA(name: "x", strength: -1, expert: "high"),
            ])
        let text = LoRATags.text("a cat", tags.loras)
        #expect(text == "a cat <lora:ink:1.0> <lora:more/grain:0.8> <lora:x:-1.0:expert=high>")
        #expect(try LoRATags(text).loras == tags.loras)
        for plain in ["a <cat>", " a <lora:ink", "lora:ink:1>"] {
            let read = try LoRATags(plain)
            #expect(read.prompt == plain && read.loras.isEmpty)
        }
        for wrong in ["<lora:ink:1:2>", "<lora:ink:strong>", "<lora:ink:1:expert=a:expert=b>"] {
            #expect(throws: ServingError.self, "\(wrong)") { try LoRATags(wrong) }
        }
    }

    @Test func theFileTellsOfIt() async throws {
        let engine = try scratch.engine(model())
        let job = try await engine.run(request([LoRA(name: "ink", strength: 0.8, expert: "high")]))
        let bytes = try #require(try await engine.files(of: job).first)
        #expect(bytes.range(of: Data("a cat on a table <lora:ink:0.8:expert=high>\n".utf8)) != nil)
    }
}
