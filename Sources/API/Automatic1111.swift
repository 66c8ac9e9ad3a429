import Diffusion
import Foundation
import HTTP
import Pipelines
import Serving
import Synchronization

/// The dialect of the AUTOMATIC1111 web UI, as far as Open WebUI, SillyTavern and the like speak it. Its samplers are
/// the generators of the model.
struct Automatic1111: Sendable {
    let engine: Engine
    let catalogue: ModelCatalogue
    let keys: APIKeys
    private let board = Board()
    private let checkpoint = Checkpoint()

    init(engine: Engine, catalogue: ModelCatalogue, keys: APIKeys) {
        self.engine = engine
        self.catalogue = catalogue
        self.keys = keys
    }

    func register(in router: inout Router) {
        router.add("POST", "/sdapi/v1/txt2img", textToImage)
        router.add("GET", "/sdapi/v1/progress", progress)
        router.add("POST", "/sdapi/v1/interrupt", interrupt)
        router.add("GET", "/sdapi/v1/samplers") { _ in .json(try samplers()) }
        router.add("GET", "/sdapi/v1/sd-models") { _ in .json(models) }
        router.add("GET", "/sdapi/v1/loras") { _ in .json(try loras()) }
        router.add("GET", "/sdapi/v1/options") { _ in .json(try options()) }
        router.add("POST", "/sdapi/v1/options", setOptions)
    }

    // MARK: txt2img

    @Sendable private func textToImage(_ request: HTTPRequest) async throws -> HTTPResponse {
        let fields = try Fields(json: request)
        let wanted = try read(fields)
        let attached: AttachedJob
        do {
            attached = try await AttachedJob(wanted, owner: keys.owner(of: request), engine: engine)
        } catch ServingError.invalid("loras", let reason) {
            // Where this dialect has them.
            throw APIError.invalid("prompt", "prompt: \(reason)")
        }
        defer { board.remove(attached.id) }
        let job = try await attached.follow { board.show($0) }
        let images = try job.artifacts.map { JSON.string(try OpenAIImages.content(of: $0)) }
        return .json([
            "images": .array(images),
            "parameters": .object(fields.names.map { JSON.Member(name: $0, value: fields[$0] ?? .null) }),
            "info": .string(try info(job).text),
        ])
    }

    private func read(_ fields: Fields) throws -> GenerationRequest {
        for name in ["enable_hr", "tiling", "restore_faces"] where try fields.boolean(name) == true {
            throw APIError.invalid(name, "\(name) is not supported; leave it out", code: "unsupported")
        }
        let settings = try fields.object("override_settings")
        let model = try catalogue.model(settings?.string("sd_model_checkpoint") ?? checkpoint.name)
        guard let text = try GenerationFields.text("prompt", fields) else { throw APIError.missing("prompt") }
        let tags = try LoRATags(text)
        let prompt = tags.prompt
        guard prompt.contains(where: { !$0.isWhitespace }) else {
            throw APIError.invalid("prompt", "prompt is empty; say what is to be seen")
        }
        let negative = try GenerationFields.text("negative_prompt", fields)
        let batch = try fields.integer("batch_size", in: GenerationRequest.counts) ?? 1
        let rounds = try fields.integer("n_iter", in: GenerationRequest.counts) ?? 1
        guard GenerationRequest.counts.contains(batch * rounds) else {
            throw APIError.invalid(
                "n_iter",
                "batch_size \(batch) times n_iter \(rounds) is \(batch * rounds); at most "
                    + "\(GenerationRequest.counts.upperBound) images are made at a time")
        }
        let seed = try fields.integer("seed", in: -1...Int.max) ?? -1
        return GenerationRequest(
            kind: .image, prompt: prompt, negativePrompt: negative == "" ? nil : negative, model: model.id,
            generator: try generator(fields, of: model),
            width: try fields.integer("width", in: 1...65536) ?? model.sizes.defaultWidth,
            height: try fields.integer("height", in: 1...65536) ?? model.sizes.defaultHeight,
            count: batch * rounds, seed: seed < 0 ? nil : UInt64(seed),
            steps: try fields.integer("steps", in: 1...1000),
            guidanceScale: try fields.number("cfg_scale", in: 0...100).map { Float($0) }, loras: tags.loras,
            previews: GenerationFields.mostPreviews)
    }

    /// A sampler is known by its generator's name, or as the rule of that generator that comes first: "Euler".
    private func generator(_ fields: Fields, of model: any ImageModel) throws -> String? {
        let names = try (fields.string("sampler_name"), fields.string("sampler_index"))
        let field = names.0 == nil ? "sampler_index" : "sampler_name"
        guard let name = names.0 ?? names.1, !name.isEmpty else { return nil }
        let generators = model.generators.generators
        let wanted = name.lowercased()
        if let match = generators.first(where: { $0.name.lowercased() == wanted })
            ?? generators.first(where: { $0.sampler.rawValue == wanted })
        {
            return match.name
        }
        let known = Set(generators.flatMap { [$0.name, $0.sampler.rawValue] }).sorted()
        throw fields.wrong(field, .string(name), known.map { "'\($0)'" }.joined(separator: ", "))
    }

    private func info(_ job: Job) throws -> JSON {
        let request = job.request
        let seeds = job.artifacts.indices.map { JSON(request.seed(ofImage: $0)) }
        let prompt = LoRATags.text(request.prompt, request.loras ?? [])
        let negative = request.negativePrompt ?? ""
        let generator = try engine.model(request.model).generators.generator(request.generator)
        let guidance = try Guidance(
            rule: .classifierFree, plan: generator.plan, guidanceScale: request.guidanceScale,
            guidanceScale2: request.guidanceScale2)
        let texts = job.artifacts.indices.map { image in
            FileMetadata.text(
                request, image: image, steps: job.steps, scales: guidance.scales, generator: generator)
        }
        return [
            "prompt": .string(prompt),
            "all_prompts": .array(seeds.map { _ in .string(prompt) }),
            "negative_prompt": .string(negative),
            "all_negative_prompts": .array(seeds.map { _ in .string(negative) }),
            "seed": JSON(request.seed),
            "all_seeds": .array(seeds),
            "width": JSON(request.width),
            "height": JSON(request.height),
            "sampler_name": .string(generator.name),
            "cfg_scale": JSON(guidance.scales.first),
            "steps": JSON(job.steps),
            "batch_size": JSON(request.count),
            "sd_model_name": .string(request.model),
            "infotexts": .array(texts.map { .string($0) }),
        ]
    }

    // MARK: Progress

    @Sendable private func progress(_ request: HTTPRequest) async throws -> HTTPResponse {
        let skip = request.query("skip_current_image") ?? "false"
        // Python's clients write True.
        guard ["true", "false"].contains(skip.lowercased()) else {
            throw APIError.invalid(
                "skip_current_image", "skip_current_image is '\(skip.prefix(40))'; it must be true or false")
        }
        let skipsImage = skip.lowercased() == "true"
        let owner = keys.owner(of: request)
        let entry = board.current(of: owner)
        let job = entry?.job
        let elapsed = job?.startedAt.map { -$0.timeIntervalSinceNow } ?? 0
        let progress = job?.progress ?? 0
        return .json([
            "progress": JSON(progress),
            "eta_relative": JSON(progress > 0 ? elapsed * (1 - progress) / progress : 0),
            "state": [
                "skipped": false, "interrupted": false, "job": JSON(job?.id ?? ""), "job_count": JSON(board.count(of: owner)),
                "job_no": 0, "sampling_step": JSON(job?.step ?? 0), "sampling_steps": JSON(job?.steps ?? 0),
            ],
            "current_image": JSON(skipsImage ? nil : entry?.preview.map { Data($0).base64EncodedString() }),
            "textinfo": JSON(job.map { $0.state == .queued ? "waiting" : $0.phase ?? "" }),
        ])
    }

    /// Cancels the job that `progress` tells of.
    @Sendable private func interrupt(_ request: HTTPRequest) async throws -> HTTPResponse {
        if let job = board.current(of: keys.owner(of: request))?.job { try await engine.cancel(job.id) }
        return .json([:])
    }

    // MARK: What there is

    private func samplers() throws -> JSON {
        .array(
            try catalogue.model(nil).generators.generators.map { generator in
                [
                    "name": .string(generator.name), "aliases": [.string(generator.sampler.rawValue)],
                    "options": [:],
                ]
            })
    }

    private var models: JSON {
        .array(
            engine.models.map { model in
                [
                    "title": .string(model.id), "model_name": .string(model.id), "hash": .null, "sha256": .null,
                    "filename": .string(model.id), "config": .null,
                ]
            })
    }

    /// The model's that requests are for now.
    private func loras() throws -> JSON {
        .array(
            try catalogue.model(checkpoint.name).loraNames.map { name in
                ["name": .string(name), "alias": .string(name), "path": .string(name), "metadata": [:]]
            })
    }

    private func options() throws -> JSON {
        ["sd_model_checkpoint": .string(try catalogue.model(checkpoint.name).id), "samples_format": "png"]
    }

    /// Chooses the model of the requests to come that name none. The other options are the web UI's own: clients send
    /// back all they were given, and none changes a picture here.
    @Sendable private func setOptions(_ request: HTTPRequest) async throws -> HTTPResponse {
        if let name = try Fields(json: request).string("sd_model_checkpoint") {
            checkpoint.name = try catalogue.model(name).id
        }
        return .json([:])
    }
}

/// The model that a client chose for all requests of this dialect.
private final class Checkpoint: Sendable {
    private let chosen = Mutex<String?>(nil)

    var name: String? {
        get { chosen.withLock { $0 } }
        set { chosen.withLock { $0 = newValue } }
    }
}

/// The txt2img jobs that somebody waits for, in the order in which they came.
private final class Board: Sendable {
    struct Entry {
        var job: Job
        var preview: [UInt8]?
    }

    private let entries = Mutex<[Entry]>([])

    func count(of owner: String) -> Int { entries.withLock { $0.count { $0.job.owner == owner } } }

    /// Of the owner's the one that runs; while none does, the one that waits longest.
    func current(of owner: String) -> Entry? {
        entries.withLock { entries in
            let own = entries.filter { $0.job.owner == owner }
            return own.first { $0.job.state == .running } ?? own.first
        }
    }

    func show(_ event: JobEvent) {
        entries.withLock { entries in
            let index = entries.firstIndex { $0.job.id == event.job.id } ?? entries.endIndex
            if index == entries.endIndex { entries.append(Entry(job: event.job)) }
            entries[index].job = event.job
            if let preview = event.preview { entries[index].preview = preview.png }
        }
    }

    func remove(_ id: String) {
        entries.withLock { $0.removeAll { $0.job.id == id } }
    }
}
