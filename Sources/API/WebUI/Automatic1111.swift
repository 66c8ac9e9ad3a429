import Foundation
import HTTP
import Jobs
import Pictures
import Pipelines
import Serving
import Support
import Synchronization

/// The dialect of the AUTOMATIC1111 web UI, as far as Open WebUI, SillyTavern and the like speak it. Its samplers are
/// the generators of the model.
struct Automatic1111: Sendable {
    let engine: Engine
    let reader: GenerationFields
    let keys: APIKeys
    let settings: WebUISettings
    let patience: Patience
    private let board = Board()
    private let checkpoint = Checkpoint()

    private var catalogue: ModelCatalogue { reader.catalogue }

    init(
        engine: Engine, reader: GenerationFields, keys: APIKeys, settings: WebUISettings, patience: Patience
    ) {
        self.engine = engine
        self.reader = reader
        self.keys = keys
        self.settings = settings
        self.patience = patience
    }

    func register(in router: inout Router, uploadLimit: Int) {
        router.add("POST", "/sdapi/v1/txt2img", textToImage)
        router.add("POST", "/sdapi/v1/img2img", bodyLimit: uploadLimit, imageToImage)
        router.add("GET", "/sdapi/v1/progress", progress)
        router.add("POST", "/sdapi/v1/interrupt", interrupt)
        router.add("GET", "/sdapi/v1/samplers") { _ in .json(try samplers()) }
        router.add("GET", "/sdapi/v1/sd-models") { _ in .json(models) }
        router.add("GET", "/sdapi/v1/loras") { _ in .json(try loras()) }
        router.add("GET", "/sdapi/v1/options") { _ in .json(try options()) }
        router.add("POST", "/sdapi/v1/options", setOptions)
        WebUILists().register(in: &router, uploadLimit: uploadLimit)
    }

    // MARK: txt2img

    @Sendable private func textToImage(_ request: HTTPRequest) async throws -> HTTPResponse {
        try await make(request) { _, _ in }
    }

    /// `init_images`, `denoising_strength`, `resize_mode`.
    @Sendable private func imageToImage(_ request: HTTPRequest) async throws -> HTTPResponse {
        try await make(request) { fields, read in
            guard !fields.isGiven("mask") else {
                throw APIError.invalid("mask", "mask is not supported: whole pictures are changed", code: "unsupported")
            }
            let files = try fields.pictures("init_images")
            guard !files.isEmpty else { throw APIError.missing("init_images") }
            let inputs = try catalogue.model(read.request.model).traits.pictures
            let (first, references) = inputs.sorted(image: files, images: [], hasStrength: true)
            guard references.isEmpty else {
                for bytes in references {
                    read.pictures.append(try await PictureReader.shared.read(bytes, "init_images"))
                }
                read.request.images = read.pictures.map(\.digest)
                read.names = ["images": "init_images"]
                // Clients send both whether or not they mean something.
                read.warnings += ["denoising_strength", "resize_mode"].filter { fields[$0] != nil }
                    .map(RequestWarning.ignored)
                return
            }
            guard first.count == 1 else {
                throw APIError.invalid(
                    "init_images", "init_images: \(files.count) pictures given; one is changed at a time")
            }
            let picture = try await PictureReader.shared.read(first[0], "init_images")
            // The web UI's: just resize, crop and resize, resize and fill; the fourth enlarges latents.
            let fits: [PictureFit] = [.stretch, .crop, .pad]
            read.request.fit = fits[try fields.integer("resize_mode", in: 0...fits.count - 1) ?? 0]
            read.request.image = picture.digest
            read.request.strength = try fields.number("denoising_strength", in: RequestFields.strengths).map {
                Float($0)
            }
            read.pictures = [picture]
            read.names = ["image": "init_images", "strength": "denoising_strength", "fit": "resize_mode"]
        }
    }

    /// - Parameter complete: adds what the route alone reads.
    private func make(
        _ request: HTTPRequest, complete: (Fields, inout ReadRequest) async throws -> Void
    ) async throws -> HTTPResponse {
        // As the web UI itself does, which its clients have come to rely on: a scale of "7.0" is one.
        let fields = try Fields(json: request, takesText: true)
        var wanted: ReadRequest?
        var model: Pipeline?
        do {
            let found = try self.model(of: fields)
            var read = try read(fields, for: found)
            try await complete(fields, &read)
            (wanted, model) = (read, found)
            let attached = try await AttachedJob(
                read.request, pictures: read.pictures, owner: keys.owner(of: request), engine: engine)
            return try await patience.answer { [board, warnings = read.warnings] in
                defer { board.remove(attached.id) }
                let job = try await attached.follow { board.show($0) }
                return try await answer(job, fields, warnings)
            }
        } catch {
            throw WebUIErrors.translated(wanted?.named(error) ?? error, of: wanted?.request, model: model)
        }
    }

    private func answer(_ job: Job, _ fields: Fields, _ warnings: [RequestWarning]) async throws -> JSON {
        var images: [JSON] = []
        let isSent = try fields.boolean("send_images") ?? true
        for artifact in job.artifacts where isSent {
            images.append(.string(try await engine.content(of: artifact).base64EncodedString()))
        }
        return [
            "images": .array(images),
            "parameters": .object(
                fields.names.map {
                    // As the web UI: what the client has it need not be sent.
                    JSON.Member(name: $0, value: $0 == "init_images" ? .null : fields[$0] ?? .null)
                }),
            "info": .string(warnings.added(to: info(job)).text),
        ]
    }

    private func model(of fields: Fields) throws -> Pipeline {
        let chosen = try fields.object("override_settings")?.string("sd_model_checkpoint")
        return try catalogue.model(chosen ?? checkpoint.name)
    }

    private func read(_ fields: Fields, for model: Pipeline) throws -> ReadRequest {
        for name in ["enable_hr", "tiling", "restore_faces"] where try fields.boolean(name) == true {
            throw APIError.invalid(name, "\(name) is not supported; leave it out", code: "unsupported")
        }
        _ = try fields.boolean("send_images")
        let tags = try LoRATags(fields.text(RequestFields.prompt, .webUI) ?? "")
        let prompt = try GenerationFields.prompt(fields["prompt"] == nil ? nil : tags.prompt)
        let negative = try fields.text(RequestFields.negativePrompt, .webUI)
        let batch = try fields.integer("batch_size", in: GenerationRequest.counts) ?? 1
        let rounds = try fields.integer("n_iter", in: GenerationRequest.counts) ?? 1
        guard GenerationRequest.counts.contains(batch * rounds) else {
            throw APIError.invalid(
                "n_iter",
                "batch_size \(batch) times n_iter \(rounds) is \(batch * rounds); at most "
                    + "\(GenerationRequest.counts.upperBound) images are made at a time")
        }
        var request = GenerationRequest(
            kind: .image, prompt: prompt, negativePrompt: negative == "" ? nil : negative, model: model.id,
            generator: try settings.generator(fields, of: model),
            width: try fields.integer(RequestFields.width, .webUI) ?? model.sizes.defaultWidth,
            height: try fields.integer(RequestFields.height, .webUI) ?? model.sizes.defaultHeight,
            count: batch * rounds, seed: try fields.seed(.webUI),
            steps: try fields.integer(RequestFields.stepCount, .webUI),
            guidanceScale: try fields.number(RequestFields.guidanceScale, .webUI).map { Float($0) }, loras: tags.loras,
            previews: RequestFields.mostPreviews(of: model))
        let warnings =
            try settings.settle(&request, for: model) + WebUISettings.ignored(fields)
            + WebUISettings.ignored(inPrompts: fields)
        return reader.made(ReadRequest(request: request, warnings: warnings), by: model)
    }

    /// How the images were made, as the record of the run tells it.
    private func info(_ job: Job) -> JSON {
        let request = job.request
        let seeds = job.artifacts.indices.map { JSON(request.seed(ofImage: $0)) }
        let prompt = LoRATags.text(request.prompt, request.loras ?? [])
        let negative = request.negativePrompt ?? ""
        let texts = job.artifacts.indices.compactMap { image in
            job.ran.map { FileMetadata.text(request, image: image, ran: $0) }
        }
        return [
            "prompt": .string(prompt),
            "all_prompts": .array(seeds.map { _ in .string(prompt) }),
            "negative_prompt": .string(negative),
            "all_negative_prompts": .array(seeds.map { _ in .string(negative) }),
            "seed": JSON(request.seed),
            "all_seeds": .array(seeds),
            "subseed": JSON(request.seed),
            "all_subseeds": .array(seeds),
            "subseed_strength": 0,
            "width": JSON(request.deliveredSize.width),
            "height": JSON(request.deliveredSize.height),
            "sampler_name": .string(job.ran?.generator ?? ""),
            "cfg_scale": JSON(job.ran?.guidanceScales.first),
            "steps": JSON(job.ran?.requestedSteps ?? job.steps),
            "batch_size": JSON(request.count),
            "restore_faces": false,
            "denoising_strength": JSON(
                request.image == nil ? 0 : request.strength ?? GenerationParameters.defaultStrength),
            "extra_generation_params": request.image == nil ? [:] : ["Start sigma": JSON(job.ran?.sigmas.first)],
            "index_of_first_image": 0,
            "styles": [],
            "clip_skip": 1,
            "sd_model_name": .string(request.model),
            "sd_model_hash": "",
            "job_timestamp": .string(Self.timestamp(job.createdAt)),
            "infotexts": .array(texts.map { .string($0) }),
        ]
    }

    /// `20261128204751`, in UTC.
    private static func timestamp(_ date: Date) -> String {
        date.formatted(.iso8601.year().month().day().time(includingFractionalSeconds: false))
            .filter { $0.isASCII && $0.isNumber }
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
        let progress = job?.progress ?? 0
        return .json([
            "progress": JSON(progress),
            "eta_relative": JSON(job?.secondsLeft ?? 0),
            "state": [
                "skipped": false, "interrupted": false, "job": JSON(job?.id ?? ""),
                "job_count": JSON(board.count(of: owner)), "job_no": 0, "sampling_step": JSON(job?.step ?? 0),
                "sampling_steps": JSON(job?.steps ?? 0),
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
            try catalogue.model(checkpoint.name).generators.generators.map { generator in
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
        guard let name = try Fields(json: request).string("sd_model_checkpoint") else { return .json([:]) }
        do {
            checkpoint.name = try catalogue.model(name).id
        } catch {
            throw WebUIErrors.translated(error, of: nil, model: nil)
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

    /// The owner's job that runs; while none runs, the owner's job that has waited longest.
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
            if let preview = event.preview { entries[index].preview = preview.file }
        }
    }

    func remove(_ id: String) {
        entries.withLock { $0.removeAll { $0.job.id == id } }
    }
}
